"""What is shown in a notebook reads well, and keeps secrets to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from readystate import (
    DeliveryState,
    QueuedWebSocket,
    QueueStats,
    SendQueue,
    State,
    StateChange,
    Stats,
    connect,
)


def where() -> str:
    return "ws://example.org/feed?token=secret"


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: QueuedWebSocket(where()), "<QueuedWebSocket ws://example.org/feed WAITING>"),
        (lambda: QueuedWebSocket(where), "<QueuedWebSocket where() WAITING>"),
        (lambda: connect(where()), "<connect ws://example.org/feed>"),
        (SendQueue, "<SendQueue 0 waiting, 0 unconfirmed>"),
        (
            lambda: QueueStats(accepted=1500, sent=3, resent=1, confirmed=2),
            "<QueueStats: 1,500 accepted, 3 sent (1 again), 2 confirmed, 0 dropped>",
        ),
        (
            lambda: Stats(
                dropped={"expired": 2, "cleared": 1},
                attempts=2,
                reconnects=1,
                seconds={State.OPEN: 12.34, State.CLOSED: 0.0},
            ),
            "<Stats: 0 accepted, 0 sent, 0 confirmed, 3 dropped (2 expired, 1 cleared); "
            "2 attempts, 1 reconnects, 12.3 s OPEN>",
        ),
        (
            lambda: StateChange(State.WAITING, 2, 0.5),
            "StateChange(state=State.WAITING, attempt=2, delay=0.5, error=None)",
        ),
        (lambda: [DeliveryState.SENT], "[DeliveryState.SENT]"),
    ],
)
async def test_it_reads_well(make: Callable[[], Any], shown: str) -> None:
    assert repr(make()) == shown


async def test_a_url_is_still_shown_while_there_is_no_connection() -> None:
    ws = QueuedWebSocket(lambda: "ws://127.0.0.1:1/feed?token=secret", backoff=None)
    async with ws:
        while ws.state is not State.WAITING or not ws.stats.attempts:
            await asyncio.sleep(0)
        assert repr(ws) == "<QueuedWebSocket ws://127.0.0.1:1/feed WAITING>"
