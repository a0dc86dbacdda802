"""readystate.QueuedWebSocket, with a session and without."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any

from readystate import Backoff, QueuedWebSocket, State, StateChange

resuming: QueuedWebSocket


async def connected(url: str, session: bool, **options: Any) -> QueuedWebSocket:
    """One that is OPEN."""
    ws = QueuedWebSocket(url, session=session, max_pending=None, **options)
    ws.start()
    async for change in ws.states():
        if change.state is State.OPEN:
            break
    return ws


async def send(
    url: str,
    kind: str,
    size: int,
    count: int,
    burst: int,
    limit: int,
    session: bool,
    pause: float = 0,
) -> float:
    """Sends ``count`` messages; returns how many seconds it took until the server had them all.

    It looks at what waits only before each ``burst`` messages, and after these waits for ``pause``
    seconds.
    """
    message = "x" * size if kind == "text" else bytes(size)
    ws = await connected(url, session)
    begin = perf_counter()
    for start in range(0, count, burst):
        while ws.pending_bytes > limit:
            await asyncio.sleep(0.004)
        for _ in range(min(burst, count - start)):
            ws.send(message)
        if pause:
            await asyncio.sleep(pause)
    received = json.loads(await ws.recv())["messages"]
    seconds = perf_counter() - begin
    await ws.close()
    if received != count:
        raise ValueError(f"the server has {received} of {count}")
    return seconds


async def receive(url: str, count: int, size: int, session: bool) -> float:
    """Receives ``count`` messages; returns how many seconds that took, from before connecting."""
    begin = perf_counter()
    ws = await connected(url, session)
    received = 0
    async for message in ws:
        if len(message) != size:
            raise ValueError(f"a message of {len(message)} and not {size}")
        received += 1
        if received == count:
            break
    seconds = perf_counter() - begin
    await ws.close()
    return seconds


async def resume(url: str, count: int, pause: float, session: bool) -> list[float]:
    """Connects, measures ``count`` round trips in ms, and from now on reconnects after ``pause``
    ms, with a message that waits for that.
    """
    global resuming
    backoff = Backoff(pause / 1000, pause / 1000, jitter=0)
    resuming = await connected(url, session, backoff=backoff, on_state=on_state)
    trips = []
    for _ in range(count):
        begin = perf_counter()
        resuming.send("ping")
        await resuming.recv()
        trips.append((perf_counter() - begin) * 1000)
    return trips


def on_state(change: StateChange) -> None:
    """Sends a message when the connection is lost."""
    if change.state is State.WAITING:
        resuming.send("waited")


async def resumed(session: bool) -> None:
    """Waits for the answer to the message that waited."""
    if await resuming.recv() != "waited":
        raise ValueError("something else was received")
    await resuming.drain()


async def end(session: bool) -> None:
    """Closes the connection."""
    await resuming.close()


async def stream_out(url: str, count: int, rate: float, session: bool = True) -> None:
    """Sends ``count`` messages at ``rate`` a second (0: as fast as it goes), until all have
    arrived.
    """
    ws = await connected(url, session)
    message = "x" * 64
    begin = perf_counter()
    for sent in range(count):
        if rate:
            await asyncio.sleep(max(0, begin + sent / rate - perf_counter()))
        ws.send(message)
    await ws.recv()
    await ws.close()


async def stream_in(url: str, count: int, rate: float, session: bool = True) -> None:
    """Receives ``count`` messages."""
    ws = await connected(url, session)
    for _ in range(count):
        await ws.recv()
    await ws.close()


async def lose(
    url: str, count: int, rate: float, pause: float, window: int, session: bool
) -> list[int]:
    """Sends ``count`` messages while connections are lost; returns none: none is reported lost."""
    backoff = Backoff(pause / 1000, pause / 1000, jitter=0)
    ws = QueuedWebSocket(url, session=session, backoff=backoff, max_unconfirmed=window)
    async with ws:
        begin = perf_counter()
        sent = 0
        while sent < count:
            await asyncio.sleep(0.001)
            due = min(count, int((perf_counter() - begin) * 1000 * rate))
            for number in range(sent, due):
                ws.send(str(number).ljust(64))
            sent = due
        async with asyncio.timeout(60):
            await ws.drain()
    return []
