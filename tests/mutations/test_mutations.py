"""What is to be broken is there, and one break after another is noticed. All take tests/long."""

from __future__ import annotations

import sys

import pytest

from ..processes import ROOT, run
from .breaks import BREAKS, Break


def test_all_have_names_of_their_own() -> None:
    assert len({one.name for one in BREAKS}) == len(BREAKS) == 40


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.name)
def test_what_is_to_be_broken_is_there_once(one: Break) -> None:
    one.applied((ROOT / one.file).read_text())
    assert all((ROOT / test.partition("::")[0]).is_file() for test in one.tests)


@pytest.mark.parametrize(("text", "count"), [("a = 1\n", 0), ("a = 2\nb = 2\n", 2)])
def test_what_is_not_there_once_is_an_error(text: str, count: int) -> None:
    one = Break("a fault", "a.py", "= 2", "= 3", ())
    assert one.applied("a = 2\n") == "a = 3\n"
    with pytest.raises(ValueError, match=f"a.py has the text that it breaks {count} times"):
        one.applied(text)


def test_one_break() -> None:
    done = run([sys.executable, "-m", "tests.mutations", "backoff"])
    assert done.returncode == 0, done.stdout + done.stderr
    name, _, rest = done.stdout.splitlines()[1].partition(": ")
    assert name == "the backoff exceeds its maximum"
    assert rest.startswith("noticed by tests/unit/test_backoff.py::test_")
    assert "1 of 1 noticed" in done.stdout
