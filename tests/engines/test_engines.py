"""Each case in each engine. An engine that is missing fails."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from readystate_server.lab import wheel

from .. import processes
from . import report
from .cases import ALL
from .runner import AT_A_TIME, ENGINES, OLDEST, TIMEOUT, Run, run

# The first test of an engine waits for all its cases, and for those of the engines before it.
pytestmark = pytest.mark.timeout(300)


# tests/long runs the others.
ALL_ENGINES = [*ENGINES, OLDEST]


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Run]]]:
    """What each engine has done of which a test was collected; it is started once."""
    wheel.build()
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = {test.callspec.params.get("engine") for test in tests if hasattr(test, "callspec")}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(run, name) for name in ALL_ENGINES if name in wanted}


@pytest.mark.parametrize("case", ALL)
# tests/cpython shows them one by one in CPython.
@pytest.mark.parametrize("engine", [name for name in ALL_ENGINES if name != "cpython"])
def test_case(runs: dict[str, Future[Run]], engine: str, case: str) -> None:
    failure = runs[engine].result(TIMEOUT).failure_of(case)
    if failure is not None:
        pytest.fail(f"{engine}: {failure}", pytrace=False)


@pytest.mark.parametrize("engine", ALL_ENGINES)
def test_engine(runs: dict[str, Future[Run]], engine: str) -> None:
    done = runs[engine].result(TIMEOUT)
    assert done.failure is None
    assert re.fullmatch(r"\d+(\.\d+)+", done.version)
    assert set(done.results) == set(ALL)  # MicroPython has dicts in an order of its own
    assert done.holds


def test_an_engine_that_is_missing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("node", "webkitgtk"):
        done = run(name)
        assert (done.version, done.results) == ("", {})
        for case in ALL:
            assert "not" in (done.failure_of(case) or "")


@pytest.mark.parametrize("engine", ["bun"])
def test_what_an_engine_threw_is_shown_where_it_is_something_else(
    runs: dict[str, Future[Run]], engine: str
) -> None:
    shown = report.table([runs[engine].result(TIMEOUT)])
    assert "SyntaxError 12 (the engine: SyntaxError without a code): " in shown


def test_the_command_line(tmp_path: Path) -> None:
    files = tmp_path / "all.json", tmp_path / "all.md"
    command = [sys.executable, "-m", "tests.engines", "cpython"]
    options = [f"--{kind}={path}" for kind, path in zip(("json", "markdown"), files, strict=True)]
    done = processes.run([*command, *options], timeout=240)
    assert done.returncode == 0, done.stderr
    assert f"{len(ALL)} of {len(ALL)} cases hold" in done.stdout
    told = json.loads(files[0].read_text())["cpython"]
    assert [result["case"] for result in told["results"]] == list(ALL)
    (thrown,) = told["results"][0]["thrown"]
    assert (thrown["name"], thrown["code"]) == ("InvalidStateError", 11)
    overview, rows = (part.splitlines() for part in files[1].read_text().split("\n\n"))
    assert overview[2].startswith("| cpython ")
    assert f"| {len(ALL)} of {len(ALL)} |" in overview[2]
    assert len(rows) == len(ALL) + 2
    assert all(row.count(" | ") == 1 for row in rows if not row.startswith("|---"))
