"""The WebSocket endpoints: one function each, from a query to its behaviour.

Each function checks its query, raises HTTPBadRequest if that is invalid, and returns a coroutine
function for the peer. README.md documents them.
"""

import asyncio
import functools
import json
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator

from . import frames
from .acknowledgements import Acknowledgements
from .peer import Peer, size_of
from .query import Query, refuse

Behaviour = Callable[[Peer], Awaitable[None]]

MAX_DELAY = 60
"""Seconds that a response may be delayed."""
MAX_COUNT = 10_000_000
MAX_SIZE = 64 * 2**20
MAX_FLOOD = 4 * 2**30
MAX_REASON = 123
"""Bytes of a close reason, by RFC 6455."""
CHUNK = 256 * 1024
"""Bytes that a flood writes to the transport at once, at least."""
MAX_RATE = 100_000
MAX_POINT = 125
"""Bytes of a point."""
PERIOD = 10_000
"""The number of points before they repeat."""
TICK = 0.01
"""Seconds between batches of points."""


def echo(_: Query) -> Behaviour:
    """Return each message unchanged."""

    async def run(peer: Peer) -> None:
        await peer.accept()
        async for message in peer:
            await peer.send(message)

    return run


def refuse_upgrade(query: Query) -> Behaviour:
    """Answer with an HTTP status instead of upgrading."""
    status = query.integer("status", 403, 400, 599)

    async def run(peer: Peer) -> None:
        peer.refuse(status)

    return run


def close(query: Query) -> Behaviour:
    """Echo some messages, then close."""
    after = query.integer("after", 0, 0, MAX_COUNT)
    close_as_asked = closing(query)

    async def run(peer: Peer) -> None:
        await peer.accept()
        for _ in range(after):
            message = await peer.receive()
            if message is None:
                return
            await peer.send(message)
        await close_as_asked(peer)

    return run


def closing(query: Query) -> Behaviour:
    """Close an open connection with the query's code and reason."""
    code = query.optional_integer("code", 0, 0xFFFF)
    reason = query.text("reason") or ""
    if len(reason.encode()) > MAX_REASON:
        raise refuse("reason", reason, f"at most {MAX_REASON} bytes")
    if reason and code is None:
        raise refuse("reason", reason, "a code with it")

    async def run(peer: Peer) -> None:
        await peer.close(code, reason)

    return run


def drop(query: Query) -> Behaviour:
    """Reset TCP without a close frame, or instead of a handshake."""
    when = query.choice("when", "open", "handshake")
    after = query.integer("after", 0, 0, MAX_COUNT)
    reset = resetting(after)

    async def run(peer: Peer) -> None:
        if when == "handshake":
            await abort(peer)
            return
        await peer.accept()
        for _ in range(after):
            if await peer.receive() is None:
                return
        await reset(peer)

    return run


def resetting(after: int) -> Behaviour:
    """Reset TCP after `after` messages, which show that the client is open."""

    async def run(peer: Peer) -> None:
        if not after:
            await peer.settle()  # some browsers would not see the handshake for the reset
        peer.wire.abort()

    return run


async def abort(peer: Peer) -> None:
    """Reset TCP at once."""
    peer.wire.abort()


def flood(query: Query) -> Behaviour:
    """Send many messages, as fast as the peer reads."""
    count = query.integer("count", 1000, 0, MAX_COUNT)
    size = query.integer("size", 64, 0, MAX_SIZE)
    kind = query.choice("kind", "text", "binary")
    then = query.choice("then", "open", "close", "drop")
    number = query.flag("number")
    if count * size > MAX_FLOOD:
        raise refuse("count", str(count), f"count times size of at most {MAX_FLOOD} bytes")
    if number and kind == "binary":
        raise refuse("number", "1", "kind=text with it")
    if number and size < len(str(count - 1)):
        raise refuse("size", str(size), f"room for the number {count - 1}")

    def chunks() -> Iterator[tuple[bytes, int]]:
        opcode = frames.TEXT if kind == "text" else frames.BINARY
        frame = frames.encode(opcode, b"x" * size)
        many = max(1, CHUNK // len(frame))
        if number:
            for start in range(0, count, many):
                end = min(start + many, count)
                yield (
                    b"".join(
                        frames.encode(opcode, str(index).ljust(size).encode())
                        for index in range(start, end)
                    ),
                    end - start,
                )
        else:
            chunk = frame * min(many, count)
            for _ in range(count // many):
                yield chunk, many
            yield frame * (count % many), count % many

    async def pour(peer: Peer) -> None:
        for chunk, messages in chunks():
            if peer.gone:
                return
            await peer.write(chunk, messages)
            await asyncio.sleep(0)
        if then == "close":
            peer.start_close(1000)
        elif then == "drop":
            peer.wire.transport.close()

    return meanwhile(pour)


def meanwhile(send: Behaviour) -> Behaviour:
    """Ignore messages while `send` runs."""

    async def run(peer: Peer) -> None:
        await peer.accept()
        sending = asyncio.ensure_future(send(peer))
        try:
            async for _ in peer:
                pass
        finally:
            sending.cancel()
            await asyncio.wait([sending])

    return run


def points(query: Query) -> Behaviour:
    """Send measurements at a rate, then close."""
    rate = query.integer("rate", 1000, 0, MAX_RATE)
    count = query.integer("count", 60_000, 0, MAX_COUNT)
    size = query.integer("size", 0, 0, MAX_POINT)

    async def send(peer: Peer) -> None:
        encoded = [frames.encode(frames.TEXT, text.ljust(size).encode()) for text in measurements()]
        began, sent = time.monotonic(), 0
        while sent < count and not peer.gone:
            due = int((time.monotonic() - began) * rate) if rate else count
            start = sent % PERIOD
            now = encoded[start : start + min(due, count) - sent]
            await peer.write(b"".join(now), len(now))
            sent += len(now)
            await asyncio.sleep(TICK if rate else 0)
        peer.start_close(1000)

    return meanwhile(send)


@functools.cache
def measurements() -> list[str]:
    """Return the points of a period, each from 0 to 100, always the same."""
    chance = random.Random(1)  # noqa: S311 - nothing to be kept secret
    return [
        f"{50 + 25 * math.sin(turn) + 12 * math.sin(7 * turn) + chance.gauss(0, 2):.1f}"
        for turn in (math.tau * index / PERIOD for index in range(PERIOD))
    ]


def sink(query: Query) -> Behaviour:
    """Count messages, and report the count."""
    ack = query.integer("ack", 1, 0, MAX_COUNT)
    rate = query.integer("rate", 0, 0, MAX_FLOOD)

    async def run(peer: Peer) -> None:
        if rate:
            peer.wire.pace(rate)
        await peer.accept()
        messages = size = 0
        async for message in peer:
            messages += 1
            size += size_of(message)
            if ack and messages % ack == 0:
                await peer.send(json.dumps({"messages": messages, "bytes": size}))

    return run


def stall(_: Query) -> Behaviour:
    """Accept the connection, then neither read nor write."""

    async def run(peer: Peer) -> None:
        await peer.accept()
        await peer.wire.ignore()

    return run


def application(query: Query) -> Behaviour:
    """Acknowledge messages, answer heartbeats, and fail on purpose."""
    ack = query.flag("ack")
    ping = query.text("ping")
    if ping == "":
        raise refuse("ping", ping, "a word")
    faults = Faults(query)

    async def run(peer: Peer) -> None:
        peer.heartbeat = ping
        if not await faults.open(peer):
            return
        acknowledgements = Acknowledgements(peer)
        count = 0
        while not faults.is_due(peer, count):
            await peer.drain()
            message = await peer.receive()
            if message is None:
                return
            count += 1
            if ack:
                acknowledgements.add(message)
        acknowledgements.forget()
        await faults.strike(peer)

    return run


class Faults:
    """The faults of an id's connections."""

    def __init__(self, query: Query) -> None:
        self._after = query.integer("after", 0, 0, MAX_COUNT)
        self._times = query.integer("times", 0, 0, MAX_COUNT)
        self._wait = query.seconds("wait", 1, MAX_DELAY)
        if self._times and query.text("id") is None:
            raise refuse("times", str(self._times), "an id with it")
        self._instead: dict[str, Behaviour] = {"refuse": refuse_upgrade(query), "abort": abort}
        self._later: dict[str, Behaviour] = {
            "drop": resetting(self._after),
            "close": closing(query),
            "stall": lambda peer: peer.wire.ignore(),
            "deaf": lambda peer: peer.wire.swallow(),
        }
        self._wanted = query.choice("fault", "none", "slow", *self._instead, *self._later)

    async def open(self, peer: Peer) -> bool:
        """Answer the handshake, late or not at all if that is the fault; return whether it did."""
        fault = self._of(peer)
        if fault in self._instead:
            await self._instead[fault](peer)
            return False
        if fault == "slow" and not await peer.hold(self._wait):
            return False
        await peer.accept()
        return True

    def is_due(self, peer: Peer, count: int) -> bool:
        """Whether the fault is due after `count` messages of a connection."""
        return self._of(peer) in self._later and count >= self._after

    async def strike(self, peer: Peer) -> None:
        """Trigger the fault."""
        await self._later[self._wanted](peer)

    def _of(self, peer: Peer) -> str:
        return self._wanted if not self._times or peer.number < self._times else "none"


ENDPOINTS: dict[str, Callable[[Query], Behaviour]] = {
    "echo": echo,
    "peer": application,
    "refuse": refuse_upgrade,
    "close": close,
    "drop": drop,
    "flood": flood,
    "points": points,
    "sink": sink,
    "stall": stall,
}
