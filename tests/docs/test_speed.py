"""The page about speed shows the numbers of one run, which are beside it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.benchmarks import plot, report

FOLDER = Path(__file__).parents[2] / "docs" / "background"
NUMBERS = json.loads((FOLDER / "speed.json").read_text())


def test_the_table_is_that_of_the_run() -> None:
    assert report.markdown(NUMBERS) in (FOLDER / "speed.md").read_text()


def test_the_chart_is_that_of_the_run() -> None:
    assert plot.chart(NUMBERS) == (FOLDER / "speed.svg").read_text()
