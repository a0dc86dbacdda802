"""readystate.connect()."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from time import perf_counter

from readystate import Delivery, DeliveryState, connect


async def receive(url: str, batches: bool = False) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    async with connect(url) as ws:
        if batches:
            async for batch in ws.batches():
                for message in batch:
                    size += len(message)
            return size
        async for message in ws:
            size += len(message)
    return size


async def send(
    url: str, kind: str, size: int, count: int, limit: int, accounts: bool = False
) -> int:
    """Sends ``count`` messages; returns how many the server has received.

    If it ``accounts`` for them, each has a ``Delivery`` until all have arrived: the least that a
    queue does more.
    """
    message = "x" * size if kind == "text" else bytes(size)
    deliveries: deque[Delivery] = deque()
    async with connect(url, write_limit=limit) as ws:
        for _ in range(count):
            if accounts:
                deliveries.append(Delivery(message, size))
            await ws.send(message)
        received = int(json.loads(await ws.recv())["messages"])
        while deliveries:
            deliveries.popleft().state = DeliveryState.CONFIRMED
        return received


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    async with connect(url) as ws:
        for _ in range(count):
            await asyncio.sleep(pause / 1000)
            begin = perf_counter()
            await ws.send("ping")
            await ws.recv()
            times.append((perf_counter() - begin) * 1000)
    return times


async def echoes(url: str, size: int, count: int) -> list[float]:
    """Sends ``count`` binary messages, each when the last one is back; returns the times, in ms."""
    times = []
    message = bytes(size)
    async with connect(url) as ws:
        for _ in range(count):
            begin = perf_counter()
            await ws.send(message)
            await ws.recv()
            times.append((perf_counter() - begin) * 1000)
    return times
