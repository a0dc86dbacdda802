"""Receiving by batches(): all that has arrived, in order, until the connection ends."""

from __future__ import annotations

import asyncio

from readystate import ConcurrencyError, ConnectionClosedError, connect
from readystate_server.testing.inpage import raises, url


async def test_batches_hold_all_messages_in_order() -> None:
    received: list[str | bytes] = []
    async with connect(url("/ws/flood", count=500, size=8, number=1, then="close")) as ws:
        async for batch in ws.batches():
            assert batch
            received += batch
    assert [int(message) for message in received] == list(range(500))


async def test_an_abnormal_end_is_raised_after_the_last_batch() -> None:
    count = 0
    async with connect(url("/ws/flood", count=50, size=8, then="drop")) as ws:
        with raises(ConnectionClosedError):
            async for batch in ws.batches():
                count += len(batch)
    assert count == 50


async def test_batches_and_recv_take_from_the_same_queue() -> None:
    async with connect(url("/ws/flood", count=50, size=8, number=1)) as ws:
        first = int(await ws.recv())
        async for batch in ws.batches():
            assert int(batch[0]) == first + 1
            break
    async with connect(url("/ws/echo")) as ws:
        waiting = asyncio.ensure_future(anext(ws.batches()))
        await asyncio.sleep(0)
        with raises(ConcurrencyError):
            await ws.recv()
        await ws.send("x")
        assert await waiting == ["x"]
