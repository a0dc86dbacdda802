"""The page about speed shows the numbers of the runs beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import plot, report

FOLDER = Path(__file__).parents[2] / "docs" / "background"
NUMBERS = json.loads((FOLDER / "speed.json").read_text())
FIREFOX = json.loads((FOLDER / "speed-firefox.json").read_text())


@pytest.mark.parametrize("part", [("receive", "send", "round"), "session", "compat", "import"])
def test_the_tables_are_those_of_the_runs(part: str | tuple[str, ...]) -> None:
    cases = [case for case in NUMBERS["cases"] if case["name"].startswith(part)]
    assert cases
    assert report.markdown({"cases": cases}) in (FOLDER / "speed.md").read_text()


@pytest.mark.parametrize(
    ("part", "peers"),
    [
        (
            ("receive", "send", "round"),
            ("JavaScript", "PyScript WebSocket", "WebSocket", "connect()", "QueuedWebSocket"),
        ),
        ("session", ("without a session", "with a session")),
        ("compat", ("JavaScript", "connect()", "websockets over readystate.compat")),
    ],
)
def test_the_tables_of_firefox(part: str | tuple[str, ...], peers: tuple[str, ...]) -> None:
    assert report.clock(FIREFOX, part, *peers) in (FOLDER / "speed.md").read_text()


def test_the_chart_is_that_of_the_runs() -> None:
    assert plot.chart(NUMBERS) == (FOLDER / "speed.svg").read_text()
