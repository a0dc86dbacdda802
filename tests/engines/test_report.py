"""What is told of engines that fail, or are missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from readystate_server.lab import vendor, wheel

from .. import versions
from . import __main__, report
from .cases import ALL, MODULES
from .runner import ENGINES, OTHERS, Run

DOCS = Path(__file__).parents[2] / "docs"
FIRST, SECOND, *_ = ALL


def result(case: str, **values: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"failure": None, "thrown": [], "seen": [], "departures": []}
    return {"case": case, **empty, "seconds": 0.1, "python": "Pyodide 0.26.4", **values}


def whole(engine: str, **first: Any) -> Run:
    """A run of all cases, with what the first one reported."""
    results = {case: result(case) for case in ALL}
    results[FIRST] = result(FIRST, **first)
    return Run(engine, "1.0", results)


MISSING = Run("node", failure="node is not on the PATH")
FAILED = whole("bun", failure="Traceback\nAssertionError: it raised nothing")
LATE = Run("node", "20.0", {case: result(case) for case in ALL}, "after all cases: exit status 1")
BROKEN = Run("deno", "2.0", {FIRST: result(FIRST)}, f"in {SECOND!r}: no end after 240 s")
DEPARTING = whole("firefox", seen=["departs: open, and not close"], departures=["open"])


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (MISSING, f"node: 0 of {len(ALL)} cases hold"),
        (MISSING, "node is not on the PATH"),
        (FAILED, f"bun 1.0: {len(ALL) - 1} of {len(ALL)} cases hold, 0 of them"),
        (FAILED, "  bun        FAILED: AssertionError: it raised nothing"),
        (BROKEN, f"deno 2.0: 1 of {len(ALL)} cases hold"),
        (BROKEN, f"  in {SECOND!r}: no end after 240 s"),
        (DEPARTING, f"firefox 1.0: {len(ALL)} of {len(ALL)} cases hold, 1 of them"),
        (DEPARTING, "  firefox    departs: open, and not close"),
    ],
)
def test_the_table(run: Run, told: str) -> None:
    assert told in report.table([run])


def test_the_overview_says_what_does_not_hold() -> None:
    overview = report.overview(report.as_summaries([MISSING, BROKEN, DEPARTING]))
    assert overview.splitlines()[2:] == [
        f"| node |  | 0 of {len(ALL)} | 0 |",
        f"| deno 2.0 | Pyodide 0.26.4 | 1 of {len(ALL)} | 0 |",
        f"| firefox 1.0 | Pyodide 0.26.4 | {len(ALL)} of {len(ALL)} | 1 |",
    ]


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ([DEPARTING], 0),
        ([DEPARTING, MISSING], 1),
        ([FAILED, DEPARTING], 1),
        ([BROKEN], 1),
        ([LATE], 1),
    ],
)
def test_the_exit_status(runs: list[Run], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_all(engines: Sequence[str]) -> Iterator[Run]:
        assert list(engines) == [run.engine for run in runs]
        yield from runs

    monkeypatch.setattr(__main__, "run_all", run_all)
    monkeypatch.setattr(vendor, "fetch", lambda development: False)
    monkeypatch.setattr(versions, "fetch", lambda long: False)
    monkeypatch.setattr(wheel, "build", lambda: None)
    assert __main__.main([run.engine for run in runs]) == status


def test_no_two_cases_have_the_same_name() -> None:
    names = [case.name for module in MODULES for case in module.CASES]
    assert len(names) == len(set(names)) == len(ALL)
    assert f"the same {len(ALL)} cases" in (DOCS / "background" / "engines.md").read_text("utf-8")


def test_the_documentation_has_the_table_of_one_run() -> None:
    page = DOCS / "background" / "engines.md"
    summaries = json.loads(page.with_suffix(".json").read_text("utf-8"))
    assert report.overview(summaries) in page.read_text("utf-8")
    assert [run["engine"] for run in summaries] == [*ENGINES, *OTHERS]
    for run in summaries:
        assert (run["hold"], run["cases"]) == (len(ALL), len(ALL)), run["engine"]


def test_a_run_writes_its_table_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{report.overview([])}| old | row | 1 of 1 | 0 |\n\nAfter.\n")
    runs = [whole("node-25.9.0"), DEPARTING]
    report.write_to(page, runs)
    summaries = json.loads((tmp_path / "page.json").read_text())
    assert summaries == report.as_summaries(runs)
    assert summaries[1]["departures"] == {FIRST: ["open"]}
    assert page.read_text() == f"Before.\n\n{report.overview(summaries)}\nAfter.\n"
    page.write_text("No table.\n")
    with pytest.raises(ValueError, match=r"page\.md has no table that begins with"):
        report.write_to(page, runs)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["servo"], "there is no engine 'servo': choose from cpython"),
        (["node", "--docs"], "the table of the documentation has all engines: name none"),
    ],
)
def test_what_is_not_run(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.parse(["--docs"]).docs
    with pytest.raises(SystemExit):
        __main__.parse(arguments)
    assert told in capsys.readouterr().err


def test_an_engine_with_its_version_in_its_name() -> None:
    (run,) = report.as_summaries([Run("node-25.9.0", "25.9.0")])
    assert "| node 25.9.0 | " in report.overview([run])
