"""readystate.QueuedWebSocket."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any

from readystate import Acks, Backoff, Delivery, DeliveryState, Heartbeat, QueuedWebSocket

flushing: asyncio.Task[int]


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    async with QueuedWebSocket(url) as ws:
        async for message in ws:
            size += len(message)
    return size


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages; returns how many the server has received."""
    message = "x" * size if kind == "text" else bytes(size)
    async with QueuedWebSocket(url, max_unconfirmed=limit // size) as ws:
        await ws.wait_open()
        for _ in range(count):
            while ws.pending:
                await asyncio.sleep(0.004)
            ws.send(message)
        return int(json.loads(await ws.recv())["messages"])


async def backlog(url: str, count: int, size: int) -> None:
    """Queues ``count`` messages over a connection that is about to be made."""
    global flushing
    messages = [str(number).ljust(size) for number in range(count)]
    ws = QueuedWebSocket(url)
    ws.start()
    for message in messages:
        ws.send(message)
    flushing = asyncio.create_task(_flushed(ws))


async def flushed() -> int:
    """Waits until the server has received them all; returns how many that were."""
    return await flushing


async def _flushed(ws: QueuedWebSocket) -> int:
    received = int(json.loads(await ws.recv())["messages"])
    await ws.close()
    return received


def number_of(message: str) -> int:
    """What an acknowledgement calls the message."""
    return int(message.partition(" ")[0])


def acked(message: str | bytes) -> list[int]:
    """What a message of the server acknowledges."""
    numbers: list[int] = json.loads(message)["ack"]
    return numbers


async def lose(
    url: str, count: int, rate: float, pause: float, window: int, how: str = ""
) -> list[int]:
    """Sends ``count`` messages while connections are lost; returns those reported as lost."""
    options: dict[str, Any] = {}
    if how == "acks":
        options |= {"acks": Acks(number_of, acked)}
    elif how:
        heartbeat = Heartbeat("ping", interval=5, timeout=5, is_reply="pong".__eq__)
        options |= {"heartbeat": heartbeat}
    if how == "drop":
        options |= {"in_doubt": "drop"}
    if how:
        options |= {"max_unconfirmed": window}
    backoff = Backoff(pause / 1000, pause / 1000, jitter=0)
    deliveries: list[Delivery] = []
    async with QueuedWebSocket(url, backoff=backoff, **options) as ws:
        begin = perf_counter()
        while len(deliveries) < count:
            await asyncio.sleep(0.001)
            due = min(count, int((perf_counter() - begin) * 1000 * rate))
            for number in range(len(deliveries), due):
                deliveries.append(ws.send(str(number).ljust(64)))
        async with asyncio.timeout(60):
            await ws.drain()
    return [
        number
        for number, delivery in enumerate(deliveries)
        if delivery.state is DeliveryState.DROPPED
    ]
