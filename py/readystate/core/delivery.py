"""What becomes of a message that a queue has accepted. Pure logic."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Generator, Hashable
from typing import Any, Literal, TypeAlias

from ..exceptions import MessageDropped

__all__ = ["Delivery", "DeliveryState"]

Evidence: TypeAlias = Literal[
    "left the page", "heartbeat", "acknowledged", "session", "closing handshake"
]
"""What confirms a message."""

DropReason: TypeAlias = Literal[
    "aborted",
    "cleared",
    "closed",
    "connection lost",
    "expired",
    "in doubt",
    "overflow",
    "resent too often",
    "session ended",
]
"""Why a message was dropped."""


class DeliveryState(enum.StrEnum):
    """How far a message has come. It only goes forward, and ends in one of the last two."""

    QUEUED = "QUEUED"
    """It waits."""
    SENT = "SENT"
    """A native socket has taken it. If that one was lost, it may have arrived or not."""
    CONFIRMED = "CONFIRMED"
    """There is evidence; :attr:`Delivery.reason` says which."""
    DROPPED = "DROPPED"
    """It will not be sent (again); :attr:`Delivery.reason` says why."""

    __repr__ = enum.Enum.__str__


QUEUED, SENT, CONFIRMED, DROPPED = DeliveryState


class Delivery:
    """The way of one message. It can be awaited, by any number of tasks; nobody has to.

    ``await delivery`` returns when the message is CONFIRMED and raises :exc:`MessageDropped` when
    it is DROPPED. Cancelling that does not take the message back.

    Attributes:
        message: As it is sent: ``str``, ``bytes`` or a JavaScript ``Blob``.
        size: How long it is, in bytes; of text, in UTF-8.
        state: How far it has come.
        reason: ``None`` until it is over. Of a message that is CONFIRMED the evidence: "left the
            page" (which is no proof that it arrived), "heartbeat", "acknowledged", "session" or
            "closing handshake". Of one that is DROPPED the cause: "cleared", "expired" (its
            time-to-live), "overflow", "in doubt" (its connection was lost, and it may have
            arrived), "connection lost" (it was sent by ``on_open``, for that connection),
            "resent too often" (``max_resends``; it may have arrived), "session ended" (it may have
            arrived), "closed" or "aborted".
    """

    __slots__ = (
        "__weakref__",
        "_end",
        "_expires",
        "_index",
        "_is_again",
        "_is_transient",
        "_key",
        "_losses",
        "_on_wanted",
        "_waiters",
        "message",
        "reason",
        "size",
        "state",
    )

    def __init__(self, message: Any, size: int, key: Hashable = None) -> None:
        self.message: Any = message
        self.size: int = size
        self.state: DeliveryState = QUEUED
        self.reason: Evidence | DropReason | None = None
        self._key = key
        self._expires: float | None = None
        # Where it stands among what was sent over this connection: in messages (-1 if it was not
        # sent over it), and in bytes.
        self._index = -1
        self._end = 0
        # Whether it is for this connection only; whether it was sent over another one before.
        self._is_transient = False
        self._is_again = False
        # How many connections were lost while it was the oldest one that was not confirmed.
        self._losses = 0
        self._waiters: list[asyncio.Future[None]] | None = None
        self._on_wanted: Callable[[], None] | None = None

    def __await__(self) -> Generator[Any, None, None]:
        if self.reason is None:
            waiter = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            if self._on_wanted is not None:
                self._on_wanted()
            try:
                yield from waiter
            finally:
                if self._waiters is not None:  # It was cancelled.
                    self._waiters.remove(waiter)
        if self.state is DROPPED:
            raise MessageDropped(str(self.reason), self.message)

    def _finish(self, state: DeliveryState, reason: Evidence | DropReason) -> None:
        self.state = state
        self.reason = reason
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def __repr__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"<Delivery of {self.size} bytes {self.state}{why}>"
