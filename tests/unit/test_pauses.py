"""How often to look, without looking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from readystate.core.pauses import Pauses


def test_while_it_stands_still_ever_more_rarely_up_to_a_limit() -> None:
    pauses = Pauses()
    waits = [pauses.next(7) for _ in range(12)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert 0 < waits[1] < waits[2] < 0.01
    assert waits[-2:] == [0.05, 0.05]


def test_it_falls_again() -> None:
    pauses = Pauses()
    for _ in range(20):
        pauses.next(7)
    assert pauses.next(6) == 0
    first = pauses.next(6)
    assert 0 < first < 0.01
    # More was sent: that it has risen does not say that it falls.
    assert pauses.next(9) > first
    assert pauses.next(8) == 0


@given(st.lists(st.integers(0, 5), min_size=1))
def test_each_wait_depends_on_how_long_it_has_not_fallen(amounts: list[int]) -> None:
    pauses = Pauses()
    waits = [pauses.next(amount) for amount in amounts]
    for before, now, wait_before, wait in zip(amounts, amounts[1:], waits, waits[1:], strict=False):
        if now < before:
            assert wait == 0
        else:
            assert wait_before < wait <= 0.05 or wait_before == wait == 0.05
    assert waits[0] == 0
