"""``nats-py``, over ``aiohttp``, with a cluster of three NATS servers."""

from __future__ import annotations

import asyncio
from typing import Any


async def test_messages_and_requests(cluster_urls: list[str]) -> None:
    import nats

    async def answer(message: Any) -> None:
        await message.respond(message.data[::-1])

    async def ask() -> bytes:
        """Asks until the other node knows who answers."""
        while True:
            try:
                return bytes((await there.request("reverse", b"abc", timeout=20)).data)
            except nats.errors.NoRespondersError:
                await asyncio.sleep(0.01)

    first, *others = cluster_urls
    async with await nats.connect(first) as here, await nats.connect(others) as there:
        received = await here.subscribe("large")
        await here.subscribe("reverse", cb=answer)
        assert await ask() == b"cba"

        large = bytes(range(256)) * 400
        for number in range(10):
            await there.publish("large", large, headers={"Number": str(number)})
        for number in range(10):
            message = await received.next_msg(timeout=20)
            assert message.data == large
            assert message.headers == {"Number": str(number)}

        await there.publish("large", b"the last")
        await there.drain()
        assert there.is_closed
        assert (await received.next_msg(timeout=20)).data == b"the last"
        await here.drain()
        assert here.is_closed
