"""How clients come back that have lost their server together."""

from __future__ import annotations

from readystate import Backoff
from tests.long.scale.herd import Herd, ours, partysocket, phoenix, simulate

CLIENTS = 5_000


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
