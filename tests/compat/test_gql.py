"""``gql``, to Strawberry. tests/long/compat has its other transport."""

from __future__ import annotations

from typing import Any

from readystate_server.testing.inpage import raises


async def test_websockets_transport(servers: str) -> None:
    from gql.transport.websockets import WebsocketsTransport

    await query_and_subscribe(WebsocketsTransport(url=f"{servers.replace('http', 'ws')}/graphql"))


async def aiohttp_transport(servers: str) -> None:
    from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport

    await query_and_subscribe(AIOHTTPWebsocketsTransport(url=f"{servers}/graphql"))


async def query_and_subscribe(transport: Any) -> None:
    from gql import Client, gql
    from gql.transport.exceptions import TransportQueryError

    async with Client(transport=transport) as session:
        query = gql('{ hello(name: "grün 😀") }')
        assert await session.execute(query) == {"hello": "Hello, grün 😀!"}
        counting = session.subscribe(gql("subscription { count(to: 5) }"))
        assert [result["count"] async for result in counting] == [1, 2, 3, 4, 5]
        with raises(TransportQueryError, match="nothing"):
            await session.execute(gql("{ nothing }"))
