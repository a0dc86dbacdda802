"""What counts as delivered: the rule by which the messages of a queue are confirmed.

A queue asks its :class:`Confirmation` and nothing else. There are four: a message has left the
page, a heartbeat was answered, the application has acknowledged it, or a session keeps account.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from .delivery import DropReason
from .outbox import Outbox


class Carrier(Protocol):
    """What sends the messages of a queue.

    Attributes:
        owner: What is shown in reports.
    """

    owner: Any

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that sends."""

    @property
    def buffered_amount(self) -> int:
        """How many bytes the connection has taken that have not left the page."""

    def flush(self) -> None:
        """Sends what waits, as far as it may be sent now."""

    def transmit(self, messages: list[Any], size: int = 0) -> None:
        """Sends messages as they are, ahead of what waits."""

    def resend(self, messages: list[Any], size: int) -> None:
        """Sends messages of the queue again, ahead of what waits."""

    def fail(self, error: Exception) -> None:
        """Something has gone wrong that cannot: ends all, so that nobody waits for ever."""


class Attempt(Protocol):
    """A connection that is open, and not yet for what waits."""

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen."""

    @property
    def address(self) -> str:
        """The URL, as it may be shown."""

    def release(self) -> None:
        """What waits may be sent."""

    def ready(self) -> None:
        """It is ready: what waits may be sent, and the queue is OPEN."""

    def fail(self, error: Exception) -> None:
        """It is of no use: another attempt may be."""

    def end(self, code: int, reason: str) -> None:
        """It is of no use, and no other would be: closes the queue for good."""


class Heart(Protocol):
    """What sees whether the connection lives."""

    @property
    def awaits_reply(self) -> bool:
        """Whether a request has had no reply yet."""

    def request(self) -> None:
        """Sends the heartbeat now, if there is a connection."""

    def replied(self) -> int | None:
        """A reply has arrived. Returns how many messages were sent before its request, if any."""

    def answered(self) -> None:
        """The last request was answered, in another way than by a reply."""


class Event(Protocol):
    """What is asked of a close event."""

    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def wasClean(self) -> bool: ...  # noqa: N802


class Confirmation:
    """By default, nothing confirms a message but a closing handshake.

    Attributes:
        outbox: The messages.
        carrier: What sends them.
        heart: What sees whether the connection lives, if anything does.
        subprotocol: What the server has to speak; ``None``: nothing of its own.
        asks: Whether the other side can be asked for confirmations.
        key_of: Returns what an acknowledgement will call a message, if there are any.
        encode: Returns messages as they go over the connection, if that is not as they are.
        ends_as: Why messages are dropped when the connection has ended for good.
        close_on_abort: With what :meth:`QueuedWebSocket.abort` closes, if anything.
    """

    subprotocol: str | None = None
    asks: bool = False
    key_of: Callable[[Any], Hashable] | None = None
    encode: Callable[[list[Any]], list[Any]] | None = None
    ends_as: DropReason = "closed"
    close_on_abort: tuple[int, str] | None = None

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def bind(self, carrier: Carrier, heart: Heart | None = None) -> None:
        """Says what sends the messages, and what sees whether the connection lives."""
        self.carrier = carrier
        self.heart = heart

    def check(self, data: Any) -> None:
        """Raises TypeError if a message like ``data`` cannot be confirmed."""

    def connected(self) -> None:
        """There is another connection, which may be CONNECTING."""

    def opened(self, attempt: Attempt) -> bool:  # noqa: ARG002
        """The connection is open. Returns whether it takes over, and calls ``attempt.ready()``."""
        return False

    def sent(self) -> None:
        """Messages were handed to the connection."""

    def flushed(self) -> None:
        """All that may be sent now was sent."""

    def wanted(self) -> None:
        """Somebody waits for confirmations."""

    def asked(self) -> None:
        """The heartbeat was sent."""

    def arriving(self) -> None:
        """Something has arrived, and was not received yet."""

    def received(self, messages: list[Any]) -> list[Any]:
        """Heeds what has arrived; returns what of it is the application's."""
        return messages

    def taken(self) -> None:
        """The application may have taken messages from the queue."""

    def closing(self) -> None:
        """All that could be was sent and confirmed: the close frame comes next."""

    def close_answered(self) -> None:
        """Our close frame came after all that was sent, and was answered."""
        self.outbox.confirm_before(self.outbox.sent, "closing handshake")

    def lost(self) -> None:
        """The connection has ended."""

    def final(self, event: Event) -> Exception | None:  # noqa: ARG002
        """With what all ends if a connection has ended so; ``None``: it need not."""
        return None

    def renew(self, event: Event) -> Exception | None:  # noqa: ARG002
        """Begins anew after a connection that has ended so, if that is possible and wanted.

        Returns what the application is told of it; ``None``: nothing was done.
        """
        return None

    def on_page_event(self, type: str) -> Exception | None:  # noqa: ARG002
        """Something has happened to the page. Returns with what all ends, if it does."""
        return None

    def ended(self) -> None:
        """There will be no other connection."""
