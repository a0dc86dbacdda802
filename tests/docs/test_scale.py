"""The guide to sessions shows the numbers of one run, which are beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.long.scale import documentation, report

DOCS = documentation.DOCS
RUN = json.loads((DOCS / "scale.json").read_text())


def test_the_run_was_without_problems_and_with_each_fault() -> None:
    assert RUN["problems"] == {}
    assert RUN["aims"] == report.aims(RUN)
    assert {fault["name"] for fault in RUN["faults"]} == set(RUN["plan"]["faults"])


def test_what_the_guide_says_and_shows_is_from_the_run(tmp_path: Path) -> None:
    """So writing it again changes nothing."""
    names = ("sessions.md", "scale.json", "scale.svg")
    for name in names:
        shutil.copy(DOCS / name, tmp_path)
    documentation.write(RUN, tmp_path)
    for name in names:
        assert (tmp_path / name).read_text() == (DOCS / name).read_text()


def test_a_run_that_has_lost_something_is_not_shown() -> None:
    with pytest.raises(ValueError, match=r"not for the documentation: .*lost"):
        documentation.markdown({**RUN, "problems": {"client's messages lost": 1}})
