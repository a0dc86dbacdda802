"""How long to wait, without waiting."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate import Backoff

numbers = st.floats(0, 1, exclude_max=True)


@given(
    initial=st.just(0.0) | st.floats(0.001, 10),
    more=st.floats(0, 100),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
    chances=st.lists(numbers, min_size=1, max_size=30),
)
def test_each_wait_is_within_its_limits(
    initial: float, more: float, factor: float, jitter: float, chances: list[float]
) -> None:
    chance = iter(chances)
    delays = Backoff(initial, initial + more, factor, jitter, random=lambda: next(chance)).delays()
    for failures in range(len(chances)):
        longest = min(initial * factor**failures, initial + more)
        delay = next(delays)
        assert longest * (1 - jitter) * 0.999 <= delay <= longest * 1.001


def test_without_jitter_it_doubles_up_to_the_maximum() -> None:
    assert list(islice(Backoff(1, 10, jitter=0).delays(), 6)) == [1, 2, 4, 8, 10, 10]


def test_full_jitter_is_anything_from_nothing_to_the_limit() -> None:
    chance = iter([0.0, 0.25, 0.999])
    delays = Backoff(4, 4, random=lambda: next(chance)).delays()
    assert list(islice(delays, 3)) == [4, 3, pytest.approx(0.004)]


def test_it_is_a_value() -> None:
    backoff = Backoff(1, 10, jitter=0)
    assert next(backoff.delays()) == next(backoff.delays()) == 1
    assert repr(backoff) == "Backoff(1, 10, 2.0, 0, healthy=5.0)"
