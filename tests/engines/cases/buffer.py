"""``bufferedAmount``."""

from __future__ import annotations

import asyncio

from readystate import WebSocket
from readystate_server.testing.inpage import event, journal, new_id, opened, until

from .case import Cases, Report

CASES = Cases()

# What bufferedAmount is after messages of 1, 2 and 3 bytes on a socket that is CLOSING, when it is
# CLOSED, and after one of 1 byte then.
NEVER_COUNTED = [0, 0, 0, 0, 0]
COUNTED_WITH_FRAMING = [7, 15, 24, 24, 31]


@CASES.add("bufferedAmount while OPEN")
async def while_open(report: Report) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    assert ws.bufferedAmount == 0
    ws.send("x" * 1000)
    text = ws.bufferedAmount
    ws.send(b"x" * 1000)
    both = ws.bufferedAmount
    report.saw(f"{text:,} after 1,000 characters, {both:,} after 1,000 bytes more")
    # It may have left already, and is counted with or without framing.
    assert 0 <= text <= 1100
    assert 0 <= both <= 2200
    while ws.bufferedAmount:
        await asyncio.sleep(0.01)
    await journal(id, messages=2)


@CASES.add("bufferedAmount while the server does not read")
async def while_stalled(report: Report) -> None:
    ws = WebSocket(f"{report.failing}/ws/stall")
    await event(ws, "open")
    size = 2**16
    for _ in range(512):
        ws.send(bytes(size))
    at_once = ws.bufferedAmount
    await asyncio.sleep(0)
    later = ws.bufferedAmount
    # What is buffered beyond the page, or beyond the engine, is not counted.
    report.saw(f"{at_once / 2**20:.0f} of 32 MiB, a turn later {later / 2**20:.0f}")
    assert 0 < at_once <= 512 * (size + 20)
    assert 0 <= later <= at_once


@CASES.add("send() after close(): nothing is thrown, nothing is sent")
async def after_close(report: Report) -> None:
    id = new_id()
    ws = await opened(id=id)
    over = event(ws, "close")
    ws.close()
    amounts = []
    for data in ("x", "é", b"abc"):
        ws.send(data)
        amounts.append(ws.bufferedAmount)
    await over
    amounts.append(ws.bufferedAmount)
    ws.send("x")
    amounts.append(ws.bufferedAmount)
    (connection,) = await journal(id, closed=1)
    assert connection["messages"] == []
    report.expects(
        [1, 3, 6, 6, 7],
        amounts,
        node=NEVER_COUNTED,
        deno=NEVER_COUNTED,
        webkitgtk=COUNTED_WITH_FRAMING,
    )


@CASES.add("nothing is left in the buffer when a large message has arrived")
async def drained(report: Report) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    ws.send(bytes(2**22))
    await journal(id, messages=1)
    await until(lambda: ws.bufferedAmount == 0)
