"""What MicroPython measures in the page."""

import asyncio

import js
from pyscript import WebSocket as PyScriptsWebSocket

import readystate

ROUNDS = 15
ORIGIN = js.location.origin.replace("http", "ws")


def tell(text):
    js.document.querySelector("output").append(text + "\n")


def median(values):
    return sorted(values)[len(values) // 2]


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
    for _ in range(ROUNDS):
        for name, ws in (("native", native), ("ours", ours)):
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


async def receiving(size, count):
    """How long it takes until a flood was received, from its first message on."""
    address = f"{ORIGIN}/ws/flood?count={count}&size={size}&then=close"
    times = {"pyscript": [], "ours": [], "connect()": []}

    class Flood:
        def __init__(self):
            self.begin = self.end = None
            self.seen = 0

        def message(self, event):
            if self.begin is None:
                self.begin = js.performance.now()
            self.seen += len(event.data) > 0

        def close(self, event):
            self.end = js.performance.now()

        def took(self):
            assert self.seen == count, self.seen
            return (self.end - self.begin) / count * 1000

    for _ in range(ROUNDS // 3):
        for name, cls in (("pyscript", PyScriptsWebSocket), ("ours", readystate.WebSocket)):
            flood = Flood()
            ws = (
                cls(url=address, onmessage=flood.message, onclose=flood.close)
                if cls is PyScriptsWebSocket
                else cls(address, onmessage=flood.message, onclose=flood.close)
            )
            while flood.end is None:
                await asyncio.sleep(0.01)
            times[name].append(flood.took())
            del ws
        flood = Flood()
        async with readystate.connect(address) as ws:
            async for message in ws:
                if flood.begin is None:
                    flood.begin = js.performance.now()
                flood.seen += len(message) > 0
        flood.close(None)
        times["connect()"].append(flood.took())
    return times


def compare(title, times, base):
    for name, values in times.items():
        ratios = [value / other for value, other in zip(values, times[base])]  # noqa: B905 - MicroPython
        tell(f"{title}, {name}: {median(ratios):.2f} of {base} ({median(values):.1f} us a message)")


async def main():
    compare("send 64 B", await sending("x" * 64, 500), "native")
    compare("send 1 KiB", await sending("x" * 1024, 300), "native")
    compare("receive 64 B", await receiving(64, 3000), "pyscript")
    compare("receive 1 KiB", await receiving(1024, 2000), "pyscript")
    js.document.body.dataset.end = "1"


asyncio.create_task(main())  # noqa: RUF006
