"""readystate.sync."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any

from memory import proxies  # type: ignore[import-not-found]

from readystate import ConnectionClosed
from readystate.sync import connect


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    with connect(url) as ws:
        for message in ws:
            size += len(message)
    return size


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages; returns how many the server has received."""
    message: Any = "x" * size if kind == "text" else bytes(size)
    with connect(url, write_limit=limit) as ws:
        for _ in range(count):
            ws.send(message)
        return int(json.loads(ws.recv())["messages"])


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    with connect(url) as ws:
        for _ in range(count):
            await asyncio.sleep(pause / 1000)
            begin = perf_counter()
            ws.send("ping")
            ws.recv()
            times.append((perf_counter() - begin) * 1000)
    return times


async def closes(url: str, ending: str, count: int) -> list[float]:
    """Closes ``count`` connections itself, and has the server end as many.

    Returns:
        How many close codes it was told of, and how many proxies are left.
    """
    _end(url, ending)
    before = proxies()
    told = sum(_end(url, ending) for _ in range(count))
    return [told, proxies() - before]


def _end(url: str, ending: str) -> int:
    with connect(url) as ws:
        ws.send("x")
        ws.recv()
    told = int(ws.close_code == 1000)
    with connect(ending) as ws:
        try:
            ws.recv()
        except ConnectionClosed as error:
            told += error.code == 4000
    return told
