"""readystate.QueuedWebSocket, with a session and without."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter

from readystate import QueuedWebSocket


async def connected(url: str, session: bool) -> QueuedWebSocket:
    """One that is OPEN."""
    ws = QueuedWebSocket(url, session=session, max_pending=None)
    ws.start()
    await ws.wait_open()
    return ws


async def send(
    url: str,
    kind: str,
    size: int,
    count: int,
    burst: int,
    limit: int,
    session: bool,
) -> float:
    """Sends ``count`` messages; returns how many seconds it took until the server had them all.

    It looks at what waits only before each ``burst`` messages.
    """
    message = "x" * size if kind == "text" else bytes(size)
    ws = await connected(url, session)
    begin = perf_counter()
    for start in range(0, count, burst):
        while ws.pending_bytes > limit:
            await asyncio.sleep(0.004)
        for _ in range(min(burst, count - start)):
            ws.send(message)
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
