"""A server of sessions, and its clients, over connections within this process, or real ones."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import websockets

from readystate.session.control import decode, encode
from readystate_server.sessions import SUBPROTOCOL, MemoryStore, ServerSession, Sessions
from readystate_server.sessions.sessions import Handler
from readystate_server.sessions.store import Message
from readystate_server.sessions.websockets import serve
from tests.server.wires import MemoryEnd, Wire, memory_pair

WINDOW = [1024, 2**20]
OPEN = encode("open", {"window": WINDOW})

_connections = itertools.count(2)


def resume(secret: str, received: int = 0, window: Sequence[int] = WINDOW) -> str:
    """What begins a connection that is later than all others."""
    said = {"session": secret, "connection": next(_connections), "received": received}
    return encode("resume", {**said, "window": window})


async def begin(
    wire: Wire, secret: str = "", received: int = 0, window: Sequence[int] = WINDOW
) -> str:
    """Opens a session over a connection, or resumes that one; returns the secret."""
    opening = encode("open", {"window": window})
    await wire.send(resume(secret, received, window) if secret else opening)
    kind, said = decode(str(await wire.receive()))
    assert kind == ("resumed" if secret else "opened")
    return secret or str(said["session"])


async def refusal(wire: Wire, first: Message) -> tuple[int | None, str]:
    """The close code and reason for a connection that begins so."""
    await wire.send(first)
    assert await wire.receive() is None
    return wire.close_code, wire.close_reason


async def echo(session: ServerSession) -> None:
    async for message in session:
        await session.send(message)


async def listen(session: ServerSession) -> None:
    async for _ in session:
        pass


async def wait(session: ServerSession) -> None:
    """Is done with nothing."""
    await asyncio.Event().wait()


def hooked(store: MemoryStore, **hooks: Callable[..., Awaitable[object]]) -> MemoryStore:
    """Has each of these methods of a store wait for a hook first, which gets its arguments."""
    for name, hook in hooks.items():
        setattr(store, name, functools.partial(_after, hook, getattr(store, name)))
    return store


async def _after(
    hook: Callable[..., Awaitable[object]],
    method: Callable[..., Awaitable[Any]],
    *arguments: Any,
    **options: Any,
) -> Any:
    await hook(*arguments, **options)
    return await method(*arguments, **options)


class Server:
    """Sessions of a handler.

    Attributes:
        all: Those that have begun.
        ends: How their handlers have ended.
    """

    def __init__(self, handler: Handler = echo, **options: Any) -> None:
        self.all: list[ServerSession] = []
        self.ends: list[BaseException | None] = []
        # One after the other at the default rate would take long, and show nothing more.
        self.sessions = Sessions(self._handle, **{"connect_rate": math.inf, **options})
        self._handler = handler
        self._has_handled = asyncio.Event()
        self.serving: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> ServerSession:
        """The last one."""
        return self.all[-1]

    def connect(self, *, origin: str | None = "https://example.org", user: Any = None) -> MemoryEnd:
        """A new connection; returns the client's end of it."""
        client, server = memory_pair(origin)
        task = asyncio.create_task(self.sessions.serve(server, user))
        self.serving.add(task)
        task.add_done_callback(self._served)
        return client

    async def open(self, **options: Any) -> tuple[MemoryEnd, str]:
        """A connection with a session of its own, and the secret."""
        wire = self.connect(**options)
        return wire, await begin(wire)

    async def resume(self, secret: str, **options: Any) -> None:
        """Has that session go on over another connection."""
        await begin(self.connect(**options), secret)

    async def refusal(self, first: Message, **options: Any) -> tuple[int | None, str]:
        """The close code and reason for a connection that begins so."""
        return await refusal(self.connect(**options), first)

    async def until_handled(self) -> None:
        await self._has_handled.wait()

    async def _handle(self, session: ServerSession) -> None:
        self.all.append(session)
        end: BaseException | None = None
        try:
            await self._handler(session)
        except BaseException as error:
            end = error
            raise
        finally:
            self.ends.append(end)
            self._has_handled.set()

    def _served(self, task: asyncio.Task[None]) -> None:
        self.serving.discard(task)
        task.result()  # no crash


@contextlib.asynccontextmanager
async def websockets_server(sessions: Sessions) -> AsyncIterator[str]:
    """Serves sessions over connections of ``websockets``; gives their URL."""
    async with websockets.serve(
        functools.partial(serve, sessions),
        "127.0.0.1",
        0,
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/session"
        await sessions.close()


@contextlib.asynccontextmanager
async def serving(handler: Handler = echo, **options: Any) -> AsyncIterator[Server]:
    server = Server(handler, **options)
    try:
        yield server
    finally:
        await server.sessions.close()
        if server.serving:
            await asyncio.wait(server.serving)
