"""A server of ``websockets``, for what its client and others do, in a thread."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Coroutine
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class Peer:
    """Each path does something else; what is asked for is in the query.

    - ``/echo``, also with ``id``: sends back what comes.
    - ``/close``: closes with ``code`` and ``reason``, after ``count`` numbers as text.
    - ``/abort``: sends ``count`` numbers, and ends the connection without a close frame when a
      message has come: a browser tells a page of its end only if it was told that it is open.
    - ``/send``: sends ``count`` messages of ``size`` bytes, and waits for the client to close.
    - ``/request``: sends the path, the query and the headers of the request as JSON.
    - ``/ended``: sends the code and the reason with which each connection with ``id`` has ended,
      as soon as there is one.
    - ``/hang``: does not answer the request.
    - ``/stall``: reads nothing until ``/resume`` is asked for with the same ``id``; then sends how
      many bytes have come when the client has sent an empty message.
    - ``/refuse``: answers with ``status``.

    With a ``context`` it speaks TLS. If it ``is_narrow``, its receive buffers are small.
    """

    def __init__(self, context: ssl.SSLContext | None = None, *, is_narrow: bool = False) -> None:
        self.url = ""
        self._context = context
        self._is_narrow = is_narrow
        self._connections: list[ServerConnection] = []
        self._ends: dict[str, list[tuple[int | None, str | None]]] = defaultdict(list)
        self._has_ended: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._resumed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def __enter__(self) -> Peer:
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, ready: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with serve(
            self._handle,
            sock=listener(self._is_narrow),
            ssl=self._context,
            process_request=self._answer,
            select_subprotocol=lambda _, offered: offered[-1] if offered else None,
            max_size=None,
            # As long as a busy machine may take to receive what came before the close frame.
            close_timeout=20,
        ) as server:
            (sock,) = server.sockets
            scheme = "ws" if self._context is None else "wss"
            self.url = f"{scheme}://127.0.0.1:{sock.getsockname()[1]}"
            ready.set_result(None)
            await self._stop.wait()
            for ws in self._connections:  # The server would wait for them.
                ws.transport.abort()

    async def _answer(self, ws: ServerConnection, request: Request) -> Response | None:
        self._connections.append(ws)
        path, query = parts(request.path)
        if path == "/hang":
            await ws.wait_closed()
        if path == "/refuse":
            return ws.respond(HTTPStatus(int(query["status"])), "No.\n")
        return None

    async def _handle(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        path, query = parts(ws.request.path)
        try:
            await getattr(self, f"_{path[1:]}")(ws, query)
            await ws.wait_closed()
        except ConnectionClosed:
            pass
        self._note_end(query, (ws.close_code, ws.close_reason))

    def _note_end(self, query: dict[str, str], end: tuple[int | None, str | None]) -> None:
        id = query.get("id", "")
        self._ends[id].append(end)
        self._has_ended[id].set()

    async def _echo(self, ws: ServerConnection, _: dict[str, str]) -> None:
        async for message in ws:
            await ws.send(message)

    async def _close(self, ws: ServerConnection, query: dict[str, str]) -> None:
        await count(ws, query)
        await ws.close(int(query.get("code", 1000)), query.get("reason", ""))

    async def _abort(self, ws: ServerConnection, query: dict[str, str]) -> None:
        await count(ws, query)
        await ws.recv()
        ws.transport.close()

    async def _send(self, ws: ServerConnection, query: dict[str, str]) -> None:
        for _ in range(int(query["count"])):
            await ws.send(b"x" * int(query["size"]))

    async def _request(self, ws: ServerConnection, query: dict[str, str]) -> None:
        assert ws.request is not None
        headers = {name.lower(): value for name, value in ws.request.headers.raw_items()}
        await ws.send(json.dumps({"path": ws.request.path, "query": query, "headers": headers}))

    async def _ended(self, ws: ServerConnection, query: dict[str, str]) -> None:
        await sooner(self._has_ended[query["id"]].wait(), ws.wait_closed())
        await ws.send(json.dumps(self._ends[query["id"]]))

    async def _stall(self, ws: ServerConnection, query: dict[str, str]) -> None:
        # The library itself would read until it holds some frames, of any size.
        ws.transport.pause_reading()
        await sooner(self._resumed[query["id"]].wait(), ws.wait_closed())
        ws.transport.resume_reading()
        size = 0
        while data := await ws.recv():
            size += len(data)
        await ws.send(str(size))

    async def _resume(self, ws: ServerConnection, query: dict[str, str]) -> None:
        self._resumed[query["id"]].set()


def listener(is_narrow: bool) -> socket.socket:
    """Listens; if it ``is_narrow``, with a small receive buffer, and segments as in a network.

    Otherwise the system holds up to 30 MiB of a connection on loopback for a server that does not
    read, and has to pass all of that on before the answer. On a busy machine that takes long, as
    each piece waits until the client and the server run.
    """
    sock = socket.create_server(("127.0.0.1", 0))
    if is_narrow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    return sock


async def sooner(*what: Coroutine[Any, Any, Any]) -> None:
    """Waits for one of these."""
    tasks = [asyncio.ensure_future(one) for one in what]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def parts(path: str) -> tuple[str, dict[str, str]]:
    """The path, and its query."""
    split = urlsplit(path)
    return split.path, {name: values[-1] for name, values in parse_qs(split.query).items()}


async def count(ws: ServerConnection, query: dict[str, Any]) -> None:
    for number in range(int(query.get("count", 0))):
        await ws.send(str(number))
