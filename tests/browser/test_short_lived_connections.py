"""A server that resets TCP after seven messages of each connection: all is confirmed, and soon.

A browser learns of a reset in its own time, and loses what it has received and not yet told, which
no server on CPython shows; all else is in tests/cpython, and in tests/unit for every number.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from readystate import Acks, Backoff, Heartbeat, QueuedWebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import new_id, url

COUNT = 20
PINGS = Heartbeat("ping", interval=0.2, timeout=20, is_reply=lambda message: message == "pong")


def number(message: Any) -> int | None:
    first = message.partition(" ")[0]
    return int(first) if first.isdigit() else None


def acked(message: str | bytes) -> list[int]:
    return list(json.loads(message)["ack"])


KINDS = dict[str, tuple[str, dict[str, Any]]](
    heartbeat=("/ws/peer?ping=ping", {"heartbeat": PINGS}),
    acks=("/ws/peer?ping=ping&ack=1", {"acks": Acks(number, acked)}),
    session=("/ws/session?", {"session": True}),
)


@pytest.mark.parametrize("kind", KINDS)
@in_browser
async def test_all_is_confirmed(kind: str) -> None:
    path, options = KINDS[kind]
    address = url(f"{path}&id={new_id()}&fault=drop&after=7")
    async with (
        asyncio.timeout(30),
        QueuedWebSocket(address, backoff=Backoff(0, 0), **options) as ws,
    ):
        deliveries = [ws.send(f"{index} of {COUNT}") for index in range(COUNT)]
        await asyncio.gather(*deliveries)
        stats = ws.stats
        ws.abort()
    assert stats.confirmed >= COUNT
    assert stats.attempts <= 60
    assert stats.sent <= 300
