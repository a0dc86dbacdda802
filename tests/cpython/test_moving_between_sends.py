"""The same word means the same thing at both ends of a session: put() waits for room, and to await
what it returns waits until the other end is done with the message.
"""

from __future__ import annotations

import asyncio

from readystate import Delivery, QueuedWebSocket
from readystate.connection.connection import Connection
from readystate_server.sessions import ServerSession

from .test_slow_clients import serving


async def test_put_means_the_same_at_both_ends() -> None:
    done = asyncio.Event()

    async def use(end: ServerSession | QueuedWebSocket) -> None:
        delivery = await end.put("x")
        assert isinstance(delivery, Delivery)
        assert delivery.reason is None
        assert await end.recv() == "x"
        receiving = asyncio.create_task(end.recv())
        await delivery
        assert delivery.reason == "session"
        receiving.cancel()

    async def handler(session: ServerSession) -> None:
        await use(session)
        await done.wait()

    async with serving(handler) as (url, _), QueuedWebSocket(url, session=True) as ws:
        await use(ws)
        done.set()


def test_the_one_table_stands_at_all_three() -> None:
    tables = []
    for kind in (Connection, QueuedWebSocket, ServerSession):
        text = kind.send.__doc__ or ""
        tables.append(text[text.index("What ``await x.send") : text.index("Args:")])
    assert len(set(tables)) == 1
