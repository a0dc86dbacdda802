"""Records what the connections of an id received and sent, for tests."""

import asyncio
import base64
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_HELD = 4 * 2**20
"""Bytes of content recorded per connection."""
MAX_RECORDS = 200_000
"""Messages recorded per connection."""
MAX_TOTAL = 128 * 2**20
"""Bytes recorded in total, approximately; the oldest ids are dropped first."""
RECORD_COST = 500
"""Bytes of a record without its content, approximately."""
MAX_IDS = 1_000
MAX_ID = 200
"""Characters of an id."""
MAX_CONNECTIONS = 1_000
"""Connections recorded per id."""


@dataclass
class Record:
    """One message: the `order`th of its id, `time` seconds after its connection was accepted."""

    order: int
    kind: str
    size: int
    data: str | bytes | None
    sha256: str
    time: float

    def plain(self) -> dict[str, Any]:
        data = base64.b64encode(self.data).decode() if isinstance(self.data, bytes) else self.data
        return {**vars(self), "data": data}


@dataclass
class Entry:
    """One connection, the `number`th of its id."""

    number: int
    orders: Iterator[int]
    path: str
    query: str
    origin: str | None
    offered: list[str]
    protocol: str | None
    changed: Callable[[int], None]
    opened: bool = False
    messages: list[Record] = field(default_factory=list)
    count: int = 0
    size: int = 0
    sent: int = 0
    truncated: bool = False
    close: dict[str, Any] | None = None
    _held: int = 0
    _since: float = field(default_factory=time.monotonic)

    @property
    def weight(self) -> int:
        """Its approximate size in bytes."""
        return self._held + RECORD_COST * (1 + len(self.messages))

    def open(self) -> None:
        """Record that the handshake was answered."""
        self.opened = True
        self.changed(0)

    def receive(self, message: str | bytes) -> None:
        """Record a message, with its content while there is room."""
        payload = message.encode() if isinstance(message, str) else message
        size = len(payload)
        before = self.weight
        order = next(self.orders)
        self.count += 1
        self.size += size
        keep = self._held + size <= MAX_HELD
        if len(self.messages) < MAX_RECORDS:
            if keep:
                self._held += size
            self.messages.append(
                Record(
                    order=order,
                    kind="text" if isinstance(message, str) else "binary",
                    size=size,
                    data=message if keep else None,
                    sha256=hashlib.sha256(payload).hexdigest(),
                    time=time.monotonic() - self._since,
                )
            )
        else:
            keep = False
        self.truncated = self.truncated or not keep
        self.changed(self.weight - before)

    def count_one(self, message: str | bytes) -> None:
        """Count a message without recording it."""
        self.count += 1
        self.size += len(message.encode() if isinstance(message, str) else message)
        self.truncated = True
        self.changed(0)

    def send(self, count: int) -> None:
        """Count messages to the peer."""
        self.sent += count

    def end(self, code: int | None = None, reason: str = "", clean: bool = False) -> None:
        """Record the end; `code` is the peer's. Only the first call counts."""
        if self.close is None:
            self.close = {"code": code, "reason": reason, "clean": clean}
            self.changed(0)

    def plain(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "query": self.query,
            "origin": self.origin,
            "offered": self.offered,
            "protocol": self.protocol,
            "opened": self.opened,
            "messages": [record.plain() for record in self.messages],
            "count": self.count,
            "bytes": self.size,
            "sent": self.sent,
            "truncated": self.truncated,
            "close": self.close,
        }


@dataclass
class Connections:
    """The last connections of one id, and how many there were."""

    entries: list[Entry] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    orders: Iterator[int] = field(default_factory=itertools.count)


class Journal:
    """The connections of all ids, in one event loop."""

    def __init__(self) -> None:
        self._ids: dict[str, Connections] = {}
        self._weight = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        """The number of ids."""
        return len(self._ids)

    def add(
        self,
        id: str,
        *,
        path: str,
        query: str,
        origin: str | None,
        offered: list[str],
        protocol: str | None,
    ) -> Entry:
        """Start the record of a connection; the oldest are dropped if there are too many."""
        connections = self._ids.setdefault(id, Connections())
        entries = connections.entries
        entry = Entry(
            number=next(connections.numbers),
            orders=connections.orders,
            path=path,
            query=query,
            origin=origin,
            offered=offered,
            protocol=protocol,
            changed=self._changed,
        )
        entries.append(entry)
        for old in entries[:-MAX_CONNECTIONS]:
            self._forget(old)
        del entries[:-MAX_CONNECTIONS]
        while len(self._ids) > MAX_IDS:
            self._drop(next(iter(self._ids)))
        self._changed(entry.weight)
        return entry

    def get(self, id: str) -> list[dict[str, Any]] | None:
        """Return the connections of `id` as plain data, None if there was none."""
        found = self.entries(id)
        return None if found is None else [entry.plain() for entry in found]

    def entries(self, id: str) -> list[Entry] | None:
        """Return the connections of `id`, None if there was none."""
        found = self._ids.get(id)
        return None if found is None else found.entries

    async def wait(
        self, id: str, *, messages: int | None, closed: int | None, timeout: float
    ) -> bool:
        """Wait until `id` has that many messages and closed connections, at most `timeout` seconds.

        With either number, even 0, wait for a first connection; without both, do not wait. Return
        whether they were reached.
        """
        if messages is None and closed is None:
            return True

        def reached() -> bool:
            found = self._ids.get(id)
            return (
                found is not None
                and sum(entry.count for entry in found.entries) >= (messages or 0)
                and sum(entry.close is not None for entry in found.entries) >= (closed or 0)
            )

        try:
            async with asyncio.timeout(timeout):
                while not reached():
                    waiter = asyncio.get_running_loop().create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            return False
        return True

    def _drop(self, id: str) -> None:
        for entry in self._ids.pop(id).entries:
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        self._weight -= entry.weight
        entry.changed = lambda _: None

    def _changed(self, weight: int) -> None:
        self._weight += weight
        while self._weight > MAX_TOTAL and len(self._ids) > 1:
            self._drop(next(iter(self._ids)))
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
