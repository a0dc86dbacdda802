"""Each case in each engine. An engine that is missing fails."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

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


def test_the_command_line() -> None:
    done = processes.run([sys.executable, "-m", "tests.engines", "cpython"], timeout=240)
    assert done.returncode == 0, done.stderr
    assert f"{len(ALL)} of {len(ALL)} cases hold" in done.stdout
    assert "\n  cpython    InvalidStateError 11 (the engine throws nothing): " in done.stdout
