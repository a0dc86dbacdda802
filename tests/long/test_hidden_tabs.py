"""A tab that a visitor has hidden sends about as fast as one that is shown.

That is a ratio of times, taken by turns, on a display of its own.
"""

from __future__ import annotations

import sys

import pytest

from ..processes import run


@pytest.mark.timeout(200)
def test_a_hidden_tab_sends_as_fast_as_one_that_is_shown() -> None:
    done = run([sys.executable, "-m", "tests.benchmarks.hidden"], timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
