"""Clients that come back together: one after the other is let in, in order."""

from __future__ import annotations

import logging

import pytest

from readystate_server.sessions.bucket import Turns
from tests.server.session_server import OPEN, Server, listen, serving

HOUR = 1 / 3600
"""A rate at which the second connection would wait for an hour."""


def test_turns_are_evenly_spaced_and_in_order() -> None:
    now = 100.0
    turns = Turns(10, 0.25, clock=lambda: now)
    assert [turns.take() for _ in range(3)] == pytest.approx([100, 100.1, 100.2])
    assert turns.take() is None  # its turn would be in 0.3 s
    assert turns.wait(100.0) == 0
    assert turns.wait(100.2) == pytest.approx(0.2)
    now += 0.1
    assert turns.take() == pytest.approx(100.3)
    now += 60  # what was not used is not saved up
    assert [turns.take() for _ in range(2)] == pytest.approx([160.1, 160.2])


def test_turns_that_a_busy_process_is_late_for_do_not_come_at_once() -> None:
    now = 100.0
    turns = Turns(10, 5, clock=lambda: now)
    taken = [turns.take() or 0.0 for _ in range(4)]
    assert turns.wait(taken[0]) == 0
    now += 3
    assert [turns.wait(turn) for turn in taken[1:]] == pytest.approx([0, 0.1, 0.2])
    new = turns.take()
    assert new is not None
    assert turns.wait(new) == pytest.approx(0.3)
    now += 0.15
    assert [turns.wait(turn) for turn in taken[2:]] == pytest.approx([0, 0.05])


async def test_who_would_wait_too_long_is_refused_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = 1013, "too many connections at once: try again later (connect_rate)"
    with caplog.at_level(logging.WARNING, logger="readystate"):
        async with serving(listen, connect_rate=HOUR) as server:
            await server.open()
            for _ in range(3):
                assert await server.refusal(OPEN) == refused
            stats = server.sessions.stats
            assert stats.refused == {"connect_rate": 3}
            assert (stats.opened, stats.waiting) == (1, 0)
            # It passes by itself, and does not take a process out of service.
            assert server.sessions.health()
    assert sum("connect_rate=" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_is_more_than_0(rate: float) -> None:
    with pytest.raises(ValueError, match=f"connect_rate={rate} must be more than 0"):
        Server(listen, connect_rate=rate)
