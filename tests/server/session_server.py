"""A server of sessions, and its clients, over connections within this process, or real ones."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import websockets

from readystate.session.control import decode, encode
from readystate_server.sessions import SUBPROTOCOL, MemoryStore, ServerSession, Sessions
from readystate_server.sessions.store import Message
from readystate_server.sessions.websockets import serve
from tests.server.session_client import MemoryEnd, SessionClient, memory_pair

WINDOW = [1024, 2**20]
OPEN = encode("open", {"window": WINDOW})

_connections = itertools.count(2)


def resume(secret: str, received: int = 0, *, connection: int | None = None) -> str:
    """What begins a connection; by default one that is later than all others."""
    number = next(_connections) if connection is None else connection
    said = {"session": secret, "connection": number, "received": received, "window": WINDOW}
    return encode("resume", said)


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


async def others_first(*_: Any) -> None:
    """Lets other tasks go on."""
    await asyncio.sleep(0)


async def is_waiting(awaitable: Awaitable[Any]) -> bool:
    """Whether it has not ended a moment later."""
    _, waiting = await asyncio.wait((asyncio.ensure_future(awaitable),), timeout=0.02)
    return bool(waiting)


class Server:
    """Sessions of a handler.

    Attributes:
        all: Those that have begun.
        ends: How their handlers have ended.
    """

    def __init__(self, handler: Callable[[ServerSession], Awaitable[None]], **options: Any) -> None:
        self.all: list[ServerSession] = []
        self.ends: list[BaseException | None] = []
        # One after the other at the default rate would take long, and show nothing more.
        self.sessions = Sessions(self._handle, **{"connect_rate": math.inf, **options})
        self._handler = handler
        self._changed = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> ServerSession:
        """The last one."""
        return self.all[-1]

    def connect(self, *, origin: str | None = "https://example.org", user: Any = None) -> MemoryEnd:
        """A new connection; returns the client's end of it."""
        client, server = memory_pair(origin)
        task = asyncio.create_task(self.sessions.serve(server, user))
        self._serving.add(task)
        task.add_done_callback(self._served)
        return client

    @contextlib.asynccontextmanager
    async def client(
        self, client: SessionClient | None = None, **options: Any
    ) -> AsyncIterator[SessionClient]:
        """A new client, or this one again, whose connection ends without a close frame."""
        client = client or SessionClient()
        async with client.connected(self.connect(**options)):
            await client.until_joined()
            yield client

    async def absent_client(self) -> SessionClient:
        """A client with a session, whose connection was lost."""
        async with self.client() as client:
            pass
        await self.until_served()
        return client

    async def open(self, **options: Any) -> tuple[MemoryEnd, str]:
        """A connection with a session of its own, and the secret."""
        wire = self.connect(**options)
        return wire, (await _begin(wire, OPEN, "opened"))["session"]

    async def resume(self, secret: str, received: int = 0, **options: Any) -> MemoryEnd:
        """A connection on which that session goes on."""
        wire = self.connect(**options)
        await _begin(wire, resume(secret, received), "resumed")
        return wire

    async def refusal(self, first: Message, **options: Any) -> tuple[int | None, str]:
        """The close code and reason for a connection that begins so."""
        wire = self.connect(**options)
        await wire.send(first)
        assert await wire.receive() is None
        return wire.close_code, wire.close_reason

    async def refusal_code(self, first: Message, **options: Any) -> int | None:
        return (await self.refusal(first, **options))[0]

    async def until_handled(self, count: int = 1) -> None:
        """Waits until so many handlers have ended."""
        while len(self.ends) < count:
            self._changed.clear()
            await self._changed.wait()

    async def until_served(self) -> None:
        """Waits until no connection is served any more."""
        if self._serving:
            await asyncio.wait(self._serving)

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
            self._changed.set()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        task.result()  # no crash


async def _begin(wire: MemoryEnd, first: str, kind: str) -> Any:
    await wire.send(first)
    answer = await wire.receive()
    assert isinstance(answer, str)
    told, said = decode(answer)
    assert told == kind
    return said


@contextlib.asynccontextmanager
async def websockets_server(sessions: Sessions, **options: Any) -> AsyncIterator[str]:
    """Serves sessions over connections of ``websockets``; gives their URL."""
    async with websockets.serve(
        functools.partial(serve, sessions),
        "127.0.0.1",
        0,
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
        **options,
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/session"
        await sessions.close()


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[ServerSession], Awaitable[None]] = echo, **options: Any
) -> AsyncIterator[Server]:
    server = Server(handler, **options)
    try:
        yield server
    finally:
        await server.sessions.close()
        await server.until_served()


@contextlib.asynccontextmanager
async def two_processes(
    handler: Callable[[ServerSession], Awaitable[None]] = echo,
    other: Callable[[ServerSession], Awaitable[None]] | None = None,
    *,
    store: MemoryStore | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers with one store."""
    store = MemoryStore() if store is None else store  # an empty one is false
    async with (
        serving(handler, store=store, **options) as one,
        serving(other or handler, store=store, **options) as two,
    ):
        yield one, two
