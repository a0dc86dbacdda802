"""Messages that nobody awaits are confirmed soon after the other end is done with them."""

from __future__ import annotations

import asyncio

from readystate import Backoff, DeliveryState, QueuedWebSocket
from readystate_server.sessions import ServerSession
from readystate_server.testing.inpage import new_id, until, url

from .test_slow_clients import serving

SOON = 2.0
"""Seconds."""


async def test_the_server_is_done_with_a_message_that_nobody_awaits() -> None:
    async with QueuedWebSocket(
        url("/ws/session", id=new_id()), session=True, backoff=Backoff(0.01, 0.01)
    ) as ws:
        delivery = ws.send("x")
        async with asyncio.timeout(SOON):
            await until(lambda: delivery.state is DeliveryState.CONFIRMED)


async def test_the_page_is_done_with_a_message_that_nobody_awaits() -> None:
    sent = asyncio.get_running_loop().create_future()

    async def handler(session: ServerSession) -> None:
        sent.set_result(await session.send("x"))
        await session.recv()

    async with serving(handler) as (url, _), QueuedWebSocket(url, session=True) as ws:
        assert await ws.recv() == "x"
        receiving = asyncio.create_task(ws.recv())
        delivery = await sent
        async with asyncio.timeout(SOON):
            await until(lambda: delivery.state is DeliveryState.CONFIRMED)
        receiving.cancel()
