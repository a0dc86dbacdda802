"""How clients come back to servers that let them in one after the other (``connect_rate``)."""

from __future__ import annotations

import pytest

from tests.long.scale.herd import admit, ours, simulate
from tests.long.scale.report import SOON, even_rate

CLIENTS, SERVERS = 2_000, 3
RATE = CLIENTS / SERVERS / 10
"""As the documentation recommends: so that all may be back in 10 s."""


@pytest.mark.parametrize("away", [1, 3, 6])
def test_most_are_soon_back_and_no_second_has_twice_the_even_rate(away: float) -> None:
    free, led = simulate(ours(), CLIENTS, away), admit(ours(), CLIENTS, away, RATE, SERVERS)
    assert max(free.returned.values()) > 2 * even_rate(CLIENTS)
    assert max(led.returned.values()) <= 2 * even_rate(CLIENTS)
    assert led.back(0.9) <= SOON


def test_many_more_than_a_server_can_take_are_refused_and_come_back_later() -> None:
    led = admit(ours(), CLIENTS, 3, RATE / 10, SERVERS)
    assert led.refused
    assert sum(led.returned.values()) == CLIENTS
    assert max(led.returned.values()) <= SERVERS * (RATE / 10 + 1)
