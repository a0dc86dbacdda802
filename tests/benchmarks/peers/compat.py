"""``websockets``, as it is, over readystate.compat."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

from pyodide.http import pyfetch

import readystate.compat

readystate.compat.install()

WHEEL = "websockets-17.4-py3-none-any.whl"


async def client() -> Any:
    """The library's client, loaded when it is first asked for."""
    if WHEEL not in sys.path:
        wheel = await (await pyfetch(f"/tests/compat/wheels/versions/{WHEEL}")).bytes()
        with open(WHEEL, "wb") as file:
            file.write(wheel)
        sys.path.insert(0, WHEEL)
    from websockets.asyncio.client import connect

    return connect


async def echoes(url: str, size: int, count: int) -> list[float]:
    """Sends ``count`` binary messages, each when the last one is back; returns the times, in ms."""
    times = []
    message = bytes(size)
    connect = await client()
    async with connect(url, max_size=None, compression=None) as ws:
        for _ in range(count):
            begin = perf_counter()
            await ws.send(message)
            await ws.recv()
            times.append((perf_counter() - begin) * 1000)
    return times
