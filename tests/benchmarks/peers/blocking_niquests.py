"""niquests, which blocks in Pyodide too."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from memory import proxies  # type: ignore[import-not-found]
from pyodide.http import pyfetch


async def connect(url: str) -> Any:
    """A connection of the library, which is loaded when it is first asked for."""
    if "niquests" not in sys.modules:
        folder = "/tests/benchmarks/wheels"
        for wheel in await (await pyfetch(f"{folder}/names.json")).json():
            data = await (await pyfetch(f"{folder}/{wheel}")).bytes()
            Path(wheel).write_bytes(data)
            sys.path.insert(0, wheel)
    return open_at(url)


def open_at(url: str) -> Any:
    """A connection."""
    import niquests  # type: ignore[import-not-found]

    return niquests.Session().get(url).extension


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    ws = await connect(url)
    while (message := ws.next_payload()) is not None:
        size += len(message)
    return size


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages, as it knows no limit; returns how many the server has received."""
    message = "x" * size if kind == "text" else bytes(size)
    ws = await connect(url)
    for _ in range(count):
        ws.send_payload(message)
    answer = ws.next_payload()
    ws.close()
    return int(json.loads(answer)["messages"])


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    ws = await connect(url)
    for _ in range(count):
        await asyncio.sleep(pause / 1000)
        begin = perf_counter()
        ws.send_payload("ping")
        ws.next_payload()
        times.append((perf_counter() - begin) * 1000)
    ws.close()
    return times


async def closes(url: str, ending: str, count: int) -> list[float]:
    """Closes ``count`` connections itself, and has the server end as many.

    Returns:
        How many close codes it was told of, and how many proxies are left.
    """
    await connect(url)
    _end(url, ending)
    before = proxies()
    for _ in range(count):
        _end(url, ending)
    await asyncio.sleep(0.5)  # It does not tell when its connections have ended.
    return [0, proxies() - before]


def _end(url: str, ending: str) -> None:
    ws = open_at(url)
    ws.send_payload("x")
    ws.next_payload()
    ws.close()
    ws = open_at(ending)
    while ws.next_payload() is not None:
        pass
    ws.close()
