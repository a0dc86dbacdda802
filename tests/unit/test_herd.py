"""How clients come back that have lost their server together, also to servers that let them in one
after the other (``connect_rate``).
"""

from __future__ import annotations

import pytest

from readystate import Backoff
from tests.long.scale.herd import Herd, admit, ours, partysocket, phoenix, simulate
from tests.long.scale.report import SOON, even_rate

CLIENTS, SERVERS = 5_000, 3
RATE = CLIENTS / SERVERS / 10
"""As the documentation recommends: so that all may be back in 10 s."""


def herd(backoff: Backoff | None = None, *, away: float = 60) -> Herd:
    return simulate(ours(backoff), CLIENTS, away)


def test_no_other_schedule_is_as_flat_as_the_default() -> None:
    for away in (1, 10, 60):
        default = herd(away=away)
        for other in (partysocket, phoenix):
            there = simulate(other, CLIENTS, away)
            assert default.peak < 0.8 * there.peak
            assert default.sharpest < 0.2 * there.sharpest


def test_a_server_that_is_back_is_not_overrun() -> None:
    """In no second do more than a tenth of the clients come."""
    returned = herd().returned
    assert sum(returned.values()) == CLIENTS
    assert max(returned.values()) < 0.1 * CLIENTS


def test_a_shorter_first_wait_brings_nobody_back_sooner_after_an_outage() -> None:
    eager, default = herd(Backoff(0.5)), herd()
    assert eager.peak > 2 * default.peak
    assert default.back(0.9) <= eager.back(0.9) + 1


@pytest.mark.parametrize("away", [1, 3, 6])
def test_most_are_soon_back_and_no_second_has_twice_the_even_rate(away: float) -> None:
    led = admit(ours(), CLIENTS, away, RATE, SERVERS)
    assert max(herd(away=away).returned.values()) > 2 * even_rate(CLIENTS)
    assert max(led.returned.values()) <= 2 * even_rate(CLIENTS)
    assert led.back(0.9) <= SOON


def test_many_more_than_a_server_can_take_are_refused_and_come_back_later() -> None:
    led = admit(ours(), CLIENTS, 3, RATE / 10, SERVERS)
    assert led.refused
    assert sum(led.returned.values()) == CLIENTS
    assert max(led.returned.values()) <= SERVERS * (RATE / 10 + 1)
