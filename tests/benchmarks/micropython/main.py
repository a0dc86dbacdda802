"""What MicroPython measures in the page: rounds that take turns, and the median of each."""

import asyncio
import gc

import js
from pyscript import WebSocket as PyScriptsWebSocket

import readystate

SENDING = 31
RECEIVING = 9
"""Rounds of each."""
ORIGIN = js.location.origin.replace("http", "ws")


def tell(text):
    js.document.querySelector("output").append(text + "\n")


def median(values):
    return sorted(values)[len(values) // 2]


def in_turns(things, round):
    """Yields them, in each round from another one on."""
    return things[round % len(things) :] + things[: round % len(things)]


async def opened(ws):
    while ws.readyState != 1:
        await asyncio.sleep(0.01)


async def sending(text, count):
    """How long sends take: the native method looked up each time, and ours."""
    native = js.WebSocket.new(ORIGIN + "/ws/sink?ack=0")
    ours = readystate.WebSocket(ORIGIN + "/ws/sink?ack=0")
    times = {"native": [], "ours": []}
    for ws in (native, ours):
        await opened(ws)
        ws.send(text)
    for round in range(SENDING):
        for name, ws in in_turns([("native", native), ("ours", ours)], round):
            gc.collect()
            begin = js.performance.now()
            for _ in range(count):
                ws.send(text)
            times[name].append((js.performance.now() - begin) / count * 1000)
            while ws.bufferedAmount:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02)
    for ws in (native, ours):
        ws.close()
    return times


class Flood:
    """When the first message of a flood arrived, and its last."""

    def __init__(self):
        self.begin = self.end = self.ws = None
        self.seen = 0

    def message(self, event):
        self.add(event.data)

    def add(self, data):
        if self.begin is None:
            self.begin = js.performance.now()
        self.seen += len(data) > 0

    def close(self, event):
        self.end = js.performance.now()


async def receiving(size, count):
    """How long it takes until a flood was received, from its first message on."""
    address = f"{ORIGIN}/ws/flood?count={count}&size={size}&then=close"

    async def by_pyscript(flood):
        flood.ws = PyScriptsWebSocket(url=address, onmessage=flood.message, onclose=flood.close)
        while flood.end is None:
            await asyncio.sleep(0.01)

    async def by_ours(flood):
        flood.ws = readystate.WebSocket(address, onmessage=flood.message, onclose=flood.close)
        while flood.end is None:
            await asyncio.sleep(0.01)

    async def by_connect(flood):
        async with readystate.connect(address) as ws:
            async for message in ws:
                flood.add(message)
        flood.close(None)

    ways = [("pyscript", by_pyscript), ("ours", by_ours), ("connect()", by_connect)]
    times = {name: [] for name, _ in ways}
    for round in range(RECEIVING):
        for name, way in in_turns(ways, round):
            gc.collect()
            flood = Flood()
            await way(flood)
            assert flood.seen == count, flood.seen
            times[name].append((flood.end - flood.begin) / count * 1000)
    return times


def compare(title, times, base):
    """Tells the medians, and that of the ratios of each round."""
    for name in sorted(times):
        values = times[name]
        ratios = [value / other for value, other in zip(values, times[base])]  # noqa: B905 - MicroPython
        tell(
            f"{title}, {name}: {median(ratios):.2f} of {base} "
            f"({median(values):.1f} us a message, {len(values)} rounds)"
        )


async def main():
    compare("send 64 B", await sending("x" * 64, 500), "native")
    compare("send 1 KiB", await sending("x" * 1024, 300), "native")
    compare("receive 64 B", await receiving(64, 3000), "pyscript")
    compare("receive 1 KiB", await receiving(1024, 2000), "pyscript")
    js.document.body.dataset.end = "1"


asyncio.create_task(main())  # noqa: RUF006
