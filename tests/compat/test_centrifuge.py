"""``centrifuge-python``, over ``websockets``."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_publications_calls_and_a_disconnection(servers: str) -> None:
    from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

    disconnected = asyncio.get_running_loop().create_future()
    published: asyncio.Queue[Any] = asyncio.Queue()

    class Events(ClientEventHandler):
        async def on_disconnected(self, ctx: Any) -> None:
            disconnected.set_result(ctx)

    class Publications(SubscriptionEventHandler):
        async def on_publication(self, ctx: Any) -> None:
            published.put_nowait(ctx.pub.data)

    address = servers.replace("http", "ws") + "/connection/websocket"
    client = Client(address, events=Events())
    await client.connect()
    await client.ready()
    subscription = client.new_subscription("news", Publications())
    await subscription.subscribe()
    await subscription.ready()

    large = {"text": "grün 😀" * 10_000}
    for data in ({"number": 1}, large):
        await subscription.publish(data)
        assert await published.get() == data
    answer = await client.rpc("ask", {"question": 1})
    assert answer.data == {"method": "ask", "got": {"question": 1}}

    asking = asyncio.ensure_future(client.rpc("disconnect", {"code": 3500, "reason": "go away"}))
    context = await disconnected
    assert (context.code, context.reason) == (3500, "go away")
    assert client.state.value == "disconnected"
    await asyncio.wait((asking,))
    assert asking.exception() is not None
