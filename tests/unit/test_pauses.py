"""How often to look, without looking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from readystate.core.pauses import Pauses


def test_often_at_first_and_whenever_it_has_fallen_and_rarely_within_a_few_times() -> None:
    pauses = Pauses()
    for amount in (7, 6):
        waits = [pauses.next(amount) for _ in range(12)]
        assert 0 == waits[0] < waits[1] < waits[2] < 0.01
        assert waits[-2:] == [0.05, 0.05]


@given(st.lists(st.integers(0, 5), min_size=1))
def test_each_wait_depends_on_how_long_it_has_not_fallen(amounts: list[int]) -> None:
    pauses = Pauses()
    waits = [pauses.next(amount) for amount in amounts]
    for before, now, wait_before, wait in zip(amounts, amounts[1:], waits, waits[1:], strict=False):
        # That it has risen, as more was sent, does not say that it falls.
        if now < before:
            assert wait == 0
        else:
            assert wait_before < wait <= 0.05 or wait_before == wait == 0.05
    assert waits[0] == 0
