"""Where the sessions of a server are kept, so that another process can go on with them.

A session has a *holder*, the process that serves it. Each claim raises the *epoch* of its record,
and whoever comes with an older one is :exc:`Fenced`: it can change nothing any more.
"""

from __future__ import annotations

import abc
import dataclasses
import time
from collections.abc import Callable, Sequence

__all__ = ["Fenced", "MemoryStore", "Message", "Record", "Store"]

Message = str | bytes
"""A message as a store keeps it."""


class Fenced(Exception):  # noqa: N818 - a state, and no mistake
    """The record has another holder, or one with a later connection, or is gone.

    Nothing was changed.
    """

    def __init__(self) -> None:
        super().__init__("the session was taken over by another process, or its record has expired")


@dataclasses.dataclass
class Record:
    """What has to be known of a session to go on with it.

    Attributes:
        owner: Whom it belongs to.
        epoch: How often it has changed hands; the first holder has 1.
        done: How many of the client's messages the application is done with.
        confirmed: How many of the outgoing messages the client is done with, at least.
        outgoing: The messages that come after these, the oldest first.
    """

    owner: str
    epoch: int = 1
    done: int = 0
    confirmed: int = 0
    outgoing: list[Message] = dataclasses.field(default_factory=list)


class Store(abc.ABC):
    """Keeps the records of sessions, by the SHA-256 of their secret ids.

    Each method does all or nothing. It may be called again with the same arguments when its answer
    was lost, as long as no other one of this holder was called in between. What it raises beside
    :exc:`Fenced` says that the store is out of order for now.
    """

    @abc.abstractmethod
    async def create(self, key: str, owner: str, expires: float) -> int:
        """Makes a record, which is gone after ``expires`` seconds; returns its epoch.

        The client's connection has the number 1.
        """

    @abc.abstractmethod
    async def claim(self, key: str, owner: str, connection: int, expires: float) -> Record | None:
        """Takes the record over, for ``expires`` seconds, and fences its former holders.

        Args:
            key: Of which session.
            owner: To whom it must belong.
            connection: The number of the client's connection that the claim is for.
            expires: In seconds.

        Returns:
            ``None`` if there is none, or it belongs to another owner.

        Raises:
            Fenced: The client has come with this number before, or with a larger one.
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
        """Brings the record up to date, all at once. Counts never go back.

        Args:
            key: Of which session.
            epoch: What the holder was given.
            done: See :class:`Record`.
            confirmed: See :class:`Record`; the messages up to there are forgotten.
            first: The number of the first one of ``messages``; the first of the session has 1.
            messages: Outgoing ones to be kept, beside those that are.

        Raises:
            Fenced: The record is another holder's, or gone.
        """

    @abc.abstractmethod
    async def keep(self, key: str, epoch: int, connection: int, expires: float) -> None:
        """Keeps the record for ``expires`` seconds from now, and the number of the connection.

        Raises:
            Fenced: The record is another holder's, or gone.
        """

    @abc.abstractmethod
    async def delete(self, key: str, epoch: int) -> None:
        """Forgets the record, if there is one.

        Raises:
            Fenced: It is another holder's.
        """

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Lets go of what the store itself has opened."""


@dataclasses.dataclass
class _Entry:
    owner: str
    expires_at: float
    epoch: int = 1
    connection: int = 1
    done: int = 0
    confirmed: int = 0
    # By their numbers.
    outgoing: dict[int, Message] = dataclasses.field(default_factory=dict)


class MemoryStore(Store):
    """Keeps the records in this process, and loses them with it.

    Several :class:`Sessions` of one process may share it.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Those that were kept last are last.
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
        # One that is to be kept for longer may hide others for as long; _find() knows better.
        now = self._clock()
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            if entry.expires_at > now:
                return
            del self._entries[key]
