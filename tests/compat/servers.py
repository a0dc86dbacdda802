"""The servers that the libraries talk to: ``python -m tests.compat.servers <origin of pages>``.

They are on one port, which is printed when they listen. Strawberry and python-socketio are
themselves; Centrifugo and OpenAI's realtime API are imitated as far as the tests go.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import socketio
import strawberry
from aiohttp import WSMsgType, web
from strawberry.aiohttp.views import GraphQLView
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str) -> str:
        return f"Hello, {name}!"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number


class Centrifugo:
    """Its JSON protocol: a command, and a reply, a line."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[web.WebSocketResponse]] = defaultdict(set)

    async def __call__(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        try:
            async for message in ws:
                for line in message.data.split("\n"):
                    await self._obey(ws, json.loads(line))
        finally:
            for subscribers in self._subscribers.values():
                subscribers.discard(ws)
        return ws

    async def _obey(self, ws: web.WebSocketResponse, command: dict[str, Any]) -> None:
        id = command.pop("id", None)
        (name, details) = next(iter(command.items()))
        result: dict[str, Any] = {}
        if name == "connect":
            result = {"client": "1", "version": "0 (imitated)", "ping": 25, "pong": True}
        elif name == "subscribe":
            self._subscribers[details["channel"]].add(ws)
        elif name == "publish":
            push = {"channel": details["channel"], "pub": {"data": details["data"]}}
            for subscriber in self._subscribers[details["channel"]]:
                await subscriber.send_json({"push": push})
        elif details["method"] == "disconnect":
            await ws.close(code=details["data"]["code"], message=details["data"]["reason"].encode())
            return
        else:
            result = {"data": {"method": details["method"], "got": details["data"]}}
        await ws.send_json({"id": id, name: result})


async def realtime(request: web.Request) -> web.WebSocketResponse:
    """OpenAI's realtime API: a session, and for each response the model's name as its text.

    It wants a key, in a header or, as browsers send none, as a subprotocol.
    """
    ws = web.WebSocketResponse(protocols=["realtime"])
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(", ")
    in_header = request.headers.get("Authorization") == "Bearer a-key"
    if not in_header and "openai-insecure-api-key.a-key" not in offered:
        raise web.HTTPUnauthorized
    await ws.prepare(request)
    model = request.query["model"]
    session = {"type": "realtime", "model": model}
    await ws.send_json({"type": "session.created", "event_id": "event_1", "session": session})
    async for message in ws:
        if message.type is not WSMsgType.TEXT or message.json()["type"] != "response.create":
            continue
        ids = {"response_id": "response_1", "item_id": "item_1"}
        place = {**ids, "output_index": 0, "content_index": 0}
        for number, word in enumerate(("I am ", model)):
            event = {"event_id": f"event_{number + 2}", "delta": word, **place}
            await ws.send_json({"type": "response.output_text.delta", **event})
        done = {"id": "response_1", "object": "realtime.response", "status": "completed"}
        await ws.send_json({"type": "response.done", "event_id": "event_4", "response": done})
    return ws


def socket_io(origin: str) -> socketio.AsyncServer:
    """A server of Socket.IO that turns bytes around, and welcomes who says hello."""
    server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=[origin])

    @server.event
    async def reverse(_: str, data: bytes) -> dict[str, bytes]:
        return {"reversed": data[::-1]}

    @server.event
    async def hello(sid: str, name: str) -> None:
        await server.emit("welcome", {"name": name, "picture": bytes(range(256))}, to=sid)

    return server


def application(origin: str) -> web.Application:
    """All of them."""
    app = web.Application()
    socket_io(origin).attach(app)
    # With the protocol for queries as well as subscriptions; clients offer another.
    graphql: GraphQLView[None, None] = GraphQLView(
        schema=strawberry.Schema(query=Query, subscription=Subscription),
        subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
        allowed_origins=[origin],
    )
    app.router.add_get("/graphql", graphql)
    app.router.add_get("/connection/websocket", Centrifugo().__call__)
    app.router.add_get("/v1/realtime", realtime)
    return app


async def main(origin: str) -> None:
    """Serves until the process is ended."""
    runner = web.AppRunner(application(origin), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
