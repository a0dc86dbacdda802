"""Stores for sessions, so that another process can resume them.

A session has a *holder*, the process that serves it. Each claim increments the *epoch* of its
record; a process with an older epoch is :exc:`Fenced` and can change nothing.
"""

from __future__ import annotations

import abc
import dataclasses
import time
from collections.abc import Callable, Sequence

__all__ = ["Fenced", "MemoryStore", "Message", "Record", "Store"]

Message = str | bytes
"""A stored message."""


class Fenced(Exception):  # noqa: N818 - a state, and no mistake
    """The record has another holder, or a newer connection, or is gone.

    Nothing was changed.
    """

    def __init__(self) -> None:
        super().__init__("the session was taken over by another process, or its record has expired")


@dataclasses.dataclass
class Record:
    """What a process needs to resume a session.

    Attributes:
        owner: The owner of the session.
        epoch: The number of its holder, from 1.
        done: How many of the client's messages are done.
        confirmed: How many outgoing messages the client has confirmed, at least.
        outgoing: The outgoing messages after these, the oldest first.
    """

    owner: str
    epoch: int = 1
    done: int = 0
    confirmed: int = 0
    outgoing: list[Message] = dataclasses.field(default_factory=list)


class Store(abc.ABC):
    """Keeps the records of sessions, by the SHA-256 of their secret ids.

    Each method is atomic, and idempotent until the holder calls another one. Exceptions other than
    :exc:`Fenced` mean that the store does not work now.
    """

    @abc.abstractmethod
    async def create(self, key: str, owner: str, expires: float) -> int:
        """Creates a record that expires after ``expires`` seconds, and returns its epoch.

        The client's connection has the number 1.
        """

    @abc.abstractmethod
    async def claim(self, key: str, owner: str, connection: int, expires: float) -> Record | None:
        """Takes over the record for ``expires`` seconds, and fences its previous holders.

        Args:
            key: The session's key.
            owner: The owner that it must have.
            connection: The number of the client's connection.
            expires: How long to keep it, in seconds.

        Returns:
            The record; ``None`` if there is none for this owner.

        Raises:
            Fenced: The client has connected with this number, or a larger one, before.
        """

    @abc.abstractmethod
    async def save(
        self,
        key: str,
        epoch: int,
        *,
        done: int,
        confirmed: int,
        first: int,
        messages: Sequence[Message],
    ) -> None:
        """Updates the record. Counts never decrease.

        Args:
            key: The session's key.
            epoch: The holder's epoch.
            done: See :class:`Record`.
            confirmed: See :class:`Record`; deletes these messages.
            first: The number of the first of ``messages``, from 1 in each session.
            messages: Outgoing messages to add.

        Raises:
            Fenced: The record has another holder, or is gone.
        """

    @abc.abstractmethod
    async def keep(self, key: str, epoch: int, connection: int, expires: float) -> None:
        """Renews the record for ``expires`` seconds, and sets the connection's number.

        Raises:
            Fenced: The record has another holder, or is gone.
        """

    @abc.abstractmethod
    async def delete(self, key: str, epoch: int) -> None:
        """Deletes the record, if there is one.

        Raises:
            Fenced: It has another holder.
        """

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Closes what the store itself has opened."""


@dataclasses.dataclass(slots=True)
class _Entry:
    owner: str
    expires_at: float
    epoch: int = 1
    connection: int = 1
    done: int = 0
    confirmed: int = 0
    # By number.
    outgoing: dict[int, Message] = dataclasses.field(default_factory=dict)


class MemoryStore(Store):
    """Keeps the records in this process's memory.

    Several :class:`Sessions` of one process can share it.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Ordered by renewal.
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        self._forget_expired()
        return len(self._entries)

    async def create(self, key: str, owner: str, expires: float) -> int:
        self._forget_expired()
        entry = self._entries[key] = _Entry(owner, self._clock() + expires)
        return entry.epoch

    async def claim(self, key: str, owner: str, connection: int, expires: float) -> Record | None:
        entry = self._find(key)
        if entry is None or entry.owner != owner:
            return None
        if connection <= entry.connection:
            raise Fenced
        entry.epoch += 1
        entry.connection = connection
        self._keep(key, entry, expires)
        outgoing = [message for _, message in sorted(entry.outgoing.items())]
        return Record(owner, entry.epoch, entry.done, entry.confirmed, outgoing)

    async def save(
        self,
        key: str,
        epoch: int,
        *,
        done: int,
        confirmed: int,
        first: int,
        messages: Sequence[Message],
    ) -> None:
        entry = self._held(key, epoch)
        for number in range(entry.confirmed + 1, confirmed + 1):
            entry.outgoing.pop(number, None)
        entry.done = max(entry.done, done)
        entry.confirmed = max(entry.confirmed, confirmed)
        for number, message in enumerate(messages, first):
            if number > entry.confirmed:
                entry.outgoing[number] = message

    async def keep(self, key: str, epoch: int, connection: int, expires: float) -> None:
        entry = self._held(key, epoch)
        entry.connection = max(entry.connection, connection)
        self._keep(key, entry, expires)

    async def delete(self, key: str, epoch: int) -> None:
        if self._find(key) is not None:
            self._held(key, epoch)
            del self._entries[key]

    def _keep(self, key: str, entry: _Entry, expires: float) -> None:
        entry.expires_at = self._clock() + expires
        self._entries[key] = self._entries.pop(key)

    def _held(self, key: str, epoch: int) -> _Entry:
        entry = self._find(key)
        if entry is None or entry.epoch != epoch:
            raise Fenced
        return entry

    def _find(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or entry.expires_at > self._clock():
            return entry
        del self._entries[key]
        return None

    def _forget_expired(self) -> None:
        # A record kept for longer may hide others behind it; _find() checks each.
        now = self._clock()
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.expires_at > now:
                return
            del self._entries[key]
