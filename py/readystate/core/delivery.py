"""The state of a message that a queue has accepted. Pure logic."""

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
    "taken over",
]
"""Why a message was dropped."""


class DeliveryState(enum.StrEnum):
    """The state of a message. It only goes forward, and ends as CONFIRMED or DROPPED."""

    QUEUED = "QUEUED"
    """It waits to be sent."""
    SENT = "SENT"
    """It was given to a native socket. If its connection was lost, it may have arrived or not."""
    CONFIRMED = "CONFIRMED"
    """It was delivered, by the evidence in :attr:`Delivery.reason`."""
    DROPPED = "DROPPED"
    """It will not be sent, or not again, for the cause in :attr:`Delivery.reason`."""

    __repr__ = enum.Enum.__str__


QUEUED, SENT, CONFIRMED, DROPPED = DeliveryState


class Delivery:
    """The delivery of one message. Any number of tasks can await it; none has to.

    ``await delivery`` returns when the message is CONFIRMED and raises :exc:`MessageDropped` when
    it is DROPPED. Cancelling the wait does not withdraw the message.

    Attributes:
        message: The message as sent: ``str``, ``bytes`` or a JavaScript ``Blob``.
        size: Its length in bytes; for text, in UTF-8.
        state: Its :class:`DeliveryState`.
        reason: ``None`` until it is CONFIRMED or DROPPED. If CONFIRMED, the evidence: "left the
            page" (no proof that it arrived), "heartbeat", "acknowledged", "session" or "closing
            handshake". If DROPPED, the cause: "cleared", "expired" (``ttl``), "overflow",
            "connection lost" (it was sent by ``on_open``, for that connection), "closed",
            "aborted"; or, if it may have arrived, "in doubt", "resent too often" (``max_resends``)
            or "session ended"; or "taken over", at a server, as another process has the session and
            may deliver it.
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
        # Its position among what was sent over this connection: in messages (-1 if it was not), and
        # in bytes.
        self._index = -1
        self._end = 0
        # Whether it is for this connection only; whether it was sent over an earlier one.
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
