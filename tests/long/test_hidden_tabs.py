"""A tab that a visitor has hidden does not wait for its timers, which come once a second.

How much slower it is than one that is shown, ``python -m tests.benchmarks.hidden`` measures.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.hidden import WAYS, measure


@pytest.mark.timeout(200)
def test_a_hidden_tab_does_not_wait_for_its_timers() -> None:
    """Each way waits about twenty times, so that it would take twenty seconds."""
    taken = {way: hidden for way, (_, hidden) in measure().items()}
    assert [*taken] == [*WAYS]
    assert max(taken.values()) < 2, taken
