"""The endpoint /ws/session: an application with sessions."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from readystate import ConnectionClosed
from readystate_server.sessions import ServerSession, Sessions

from .endpoints import MAX_COUNT, MAX_FLOOD, MAX_SIZE, Behaviour, Faults
from .journal import Journal
from .peer import Peer
from .query import Query, refuse

Handler = Callable[["ServerSession | Connection"], Awaitable[None]]

MAX_APPLICATIONS = 1_000
MAX_EXPIRES = 3600
MANY = 10**6
"""As good as no limit, as connections fail on purpose here."""


class Applications:
    """The endpoint. The first connection of each id configures its application."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._applications: dict[str, Sessions] = {}

    def __call__(self, query: Query) -> Behaviour:
        """Serve a connection of a session, with faults."""
        id = query.text("id")
        if id is None:
            raise refuse("id", "", "one")
        faults = Faults(query)
        handler = self._handler(id, query)
        expires = query.seconds("expires", 60, MAX_EXPIRES)
        is_plain = query.flag("plain")

        def make() -> Sessions:
            return Sessions(
                handler, expires=expires, resume_rate=MANY, resume_burst=MANY, connect_rate=MANY
            )

        async def run(peer: Peer) -> None:
            peer.counts_only = True
            if not await faults.open(peer):
                return
            transport = Transport(peer, faults)
            if is_plain:
                await handler(Connection(transport))
            else:
                await self._application(id, make).serve(transport)

        return run

    async def forget(self, id: str) -> int:
        """End the sessions of `id`, so that no client can resume them; return how many."""
        sessions = self._applications.pop(id, None)
        if sessions is None:
            return 0
        count = len(sessions)
        await sessions.close()
        return count

    async def close(self) -> None:
        """End all sessions."""
        for sessions in self._applications.values():
            await sessions.close()

    def _handler(self, id: str, query: Query) -> Handler:
        size = query.integer("size", 0, 0, MAX_SIZE)
        say = query.integer("say", 0, 0, MAX_COUNT)
        if say * size > MAX_FLOOD:
            raise refuse("say", str(say), f"say times size of at most {MAX_FLOOD} bytes")
        return functools.partial(
            self._handle,
            id=f"{id}/session",
            echoes=query.flag("echo"),
            say=say,
            size=size,
            is_binary=query.choice("kind", "text", "binary") == "binary",
            rate=query.integer("rate", 0, 0, MAX_COUNT),
            ack=query.integer("ack", 0, 0, MAX_COUNT),
            counts=query.flag("count"),
            until=query.integer("until", 0, 0, MAX_COUNT),
            code=query.integer("end", 1000, 1000, 4999),
            fail=query.integer("fail", 0, 0, MAX_COUNT),
        )

    def _application(self, id: str, make: Callable[[], Sessions]) -> Sessions:
        if id not in self._applications:
            self._applications[id] = make()
            if len(self._applications) > MAX_APPLICATIONS:
                # Its sessions live as long as they are used.
                del self._applications[next(iter(self._applications))]
        return self._applications[id]

    async def _handle(
        self,
        session: "ServerSession | Connection",
        *,
        id: str,
        echoes: bool,
        say: int,
        size: int,
        is_binary: bool,
        rate: int,
        ack: int,
        counts: bool,
        until: int,
        code: int,
        fail: int,
    ) -> None:
        """Record or count the session's messages, and do what the query says."""
        entry = self._journal.add(
            id, path="/ws/session", query="", origin=None, offered=[], protocol=None
        )
        entry.open()
        try:
            for number in range(say):
                text = str(number).ljust(size)
                await session.send(text.encode() if is_binary else text)
                if rate:
                    await asyncio.sleep(1 / rate)
            take = entry.count_one if counts else entry.receive
            async for message in session:
                take(message)
                if ack and entry.count % ack == 0:
                    await session.send(json.dumps({"messages": entry.count, "bytes": entry.size}))
                if echoes:
                    await session.send(message)
                if entry.count == fail:
                    raise RuntimeError("fail, as asked")
                if entry.count == until:
                    await session.close(code, "as asked")
            entry.end(1000, clean=True)
        except ConnectionClosed as end:
            entry.end(end.code, end.reason)
            raise
        finally:
            entry.end()


class Transport:
    """A peer, as a transport of sessions."""

    def __init__(self, peer: Peer, faults: Faults) -> None:
        self.origin: str | None = peer.origin
        self._peer = peer
        self._faults = faults
        self._count = 0

    @property
    def close_code(self) -> int | None:
        return self._peer.close_code

    @property
    def close_reason(self) -> str:
        return self._peer.close_reason

    async def receive(self) -> str | bytes | None:
        """Return the next message; None when the connection has ended."""
        if self._faults.is_due(self._peer, self._count):
            await self._faults.strike(self._peer)
            return None
        self._count += 1
        return await self._peer.receive()

    async def send(self, message: str | bytes) -> None:
        """Send a message. Raises ConnectionResetError if the connection has ended."""
        if self._peer.gone:
            raise ConnectionResetError
        await self._peer.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close, and read until the peer has answered."""
        await self._peer.close(code, reason)

    def abort(self) -> None:
        """End TCP at once."""
        self._peer.wire.abort()


class Connection:
    """A single connection, for a handler without a session."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield each message until the connection has ended."""
        while (message := await self._transport.receive()) is not None:
            yield message

    async def send(self, message: str | bytes) -> None:
        """Send a message. Raises ConnectionResetError if the connection has ended."""
        await self._transport.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close it."""
        await self._transport.close(code, reason)
