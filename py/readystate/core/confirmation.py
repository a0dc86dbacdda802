"""The rules by which the messages of a queue are confirmed.

There are four: the message has left the page, a heartbeat was answered, the application
acknowledged the message, or a session did.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from .delivery import DropReason
from .outbox import Outbox


class Carrier(Protocol):
    """Sends the messages of a queue.

    Attributes:
        owner: The object named in error reports.
    """

    owner: Any

    @property
    def is_open(self) -> bool:
        """Whether the connection is open."""

    @property
    def buffered_amount(self) -> int:
        """How many bytes were sent that have not left the page."""

    def flush(self) -> None:
        """Sends waiting messages, as far as the window allows."""

    def transmit(self, messages: list[Any], size: int = 0) -> None:
        """Sends messages as they are, ahead of the queue."""

    def resend(self, messages: list[Any], size: int) -> None:
        """Sends messages of the queue again, ahead of all others."""

    def fail(self, error: Exception) -> None:
        """Closes for good after an unexpected exception, so that no task waits forever."""


class Attempt(Protocol):
    """A connection that is open, but not ready for the queue."""

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen."""

    @property
    def address(self) -> str:
        """The URL without secrets."""

    def release(self) -> None:
        """Lets waiting messages be sent."""

    def ready(self) -> None:
        """Makes the queue OPEN, and lets waiting messages be sent."""

    def fail(self, error: Exception) -> None:
        """Fails this attempt; another one follows."""

    def end(self, code: int, reason: str) -> None:
        """Closes the queue for good."""


class Heart(Protocol):
    """Detects dead connections."""

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply is outstanding."""

    def request(self) -> None:
        """Sends the heartbeat now, if connected."""

    def replied(self) -> int | None:
        """Handles a reply. Returns how many messages were sent before its request, if any."""

    def answered(self) -> None:
        """Handles an answer other than a reply to the last request."""


class Event(Protocol):
    """What is read from a close event."""

    @property
    def code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def wasClean(self) -> bool: ...  # noqa: N802


class Confirmation:
    """Confirms messages; by default, only a closing handshake does.

    Attributes:
        outbox: The messages.
        carrier: Sends them.
        heart: Detects dead connections, if there is a heartbeat.
        subprotocol: The subprotocol that it needs, if any.
        asks: Whether the other side can be asked for confirmations.
        key_of: Returns the key with which a message will be acknowledged.
        encode: Encodes messages for the connection, if necessary.
        ends_as: Why messages are dropped when the connection has ended for good.
        close_on_abort: The close code and reason for :meth:`QueuedWebSocket.abort`, if any.
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
        """Sets ``carrier`` and ``heart``."""
        self.carrier = carrier
        self.heart = heart

    def check(self, data: Any) -> None:
        """Raises TypeError if a message like ``data`` cannot be confirmed."""

    def connected(self) -> None:
        """Called with each new connection, which may be CONNECTING."""

    def opened(self, attempt: Attempt) -> bool:  # noqa: ARG002
        """Called when the connection is open. Returns whether this calls ``attempt.ready()``."""
        return False

    def sent(self) -> None:
        """Called after messages were sent."""

    def flushed(self) -> None:
        """Called when no more may be sent now."""

    def wanted(self) -> None:
        """Called when a task waits for confirmations."""

    def asked(self) -> None:
        """Called when the heartbeat was sent."""

    def arriving(self) -> None:
        """Called when messages have arrived, before :meth:`received`."""

    def received(self, messages: list[Any]) -> list[Any]:
        """Handles messages that arrived; returns those for the application."""
        return messages

    def taken(self) -> None:
        """Called when the application may have received messages."""

    def closing(self) -> None:
        """Called before the close frame is sent."""

    def close_answered(self) -> None:
        """Called when the server answered our close frame, which confirms all messages."""
        self.outbox.confirm_before(self.outbox.sent, "closing handshake")

    def lost(self) -> None:
        """Called when the connection has ended."""

    def final(self, event: Event) -> Exception | None:  # noqa: ARG002
        """Returns the exception to close with for good after ``event``, or ``None``."""
        return None

    def renew(self, event: Event) -> Exception | None:  # noqa: ARG002
        """Starts a new session after ``event``, if that is possible and wanted.

        Returns the exception to tell the application, or ``None`` if nothing was done.
        """
        return None

    def on_page_event(self, type: str) -> Exception | None:  # noqa: ARG002
        """Handles a page event. Returns the exception to close with for good, or ``None``."""
        return None

    def ended(self) -> None:
        """Called when there will be no more connections."""
