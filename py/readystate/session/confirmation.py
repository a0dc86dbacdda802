"""The client's end of a session: exactly-once delivery in both directions.

Specified in docs/session-protocol.md.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from .._host import Timer, frozen, is_blob
from ..core.addresses import shown
from ..core.confirmation import Attempt, Confirmation, Event
from ..core.delivery import DropReason
from ..core.outbox import Outbox
from ..dom.blob import Blob
from ..exceptions import ConnectionFailed, SessionExpired, connection_closed
from .control import (
    NO_SUCH_SESSION,
    SUBPROTOCOL,
    TAKEN_OVER,
    Window,
    ends_session,
    escape,
    why_gone,
)
from .core import ACK_DELAY, ACK_WITH_MESSAGE, ClientCore
from .keeping import MOST_BYTES, Keeping
from .options import Session
from .snapshot import Snapshot

_MOST = 2**31 - 1
"""As good as no limit."""


class SessionConfirmation(Confirmation):
    """Confirms messages by a session, which counts them at both ends.

    Args:
        outbox: The messages that this end sends.
        session: The application's options.
        queue: The messages that the application has not received yet.
        max_queue: How many messages the server may send before the application receives them.
        max_queue_bytes: How many bytes it may send before.
        url: The URL, if it is not a function.

    Raises:
        RuntimeError: ``persist`` is not available.
        ValueError: ``persist`` has no name, or that of another session.
    """

    subprotocol: str | None = SUBPROTOCOL
    asks: bool = True
    ends_as: DropReason = "session ended"
    # This code also ends the session at the server.
    close_on_abort: tuple[int, str] | None = (1000, "aborted")

    # The storage keys of this page's sessions.
    _keys: ClassVar[set[str]] = set()

    def __init__(
        self,
        outbox: Outbox,
        session: Session,
        queue: deque[str | bytes],
        *,
        max_queue: int | None,
        max_queue_bytes: int | None,
        url: Any,
    ) -> None:
        super().__init__(outbox)
        self.encode: Callable[[list[Any]], list[Any]] | None = escape
        outbox.keeps_unconfirmed = True
        self._queue = queue
        self._window = _window(max_queue, max_queue_bytes)
        self._core = ClientCore(outbox, self._window)
        self._renews = session.renew
        self._ack_timer: Timer | None = None
        # From when on an acknowledgement goes with the next message.
        self._ack_may_go = 0.0
        self._attempt: Attempt | None = None
        self._is_wanted = False
        self._is_over = False
        # Its storage key, with persist.
        self._key = _key(url, session) if session.persist else None
        self._keeping: Keeping | None = None
        if self._key is not None:
            if self._key in self._keys:
                raise ValueError(
                    f"this page keeps another session as {self._key!r}: give each its own "
                    "Session(name=...)"
                )
            # Accept no more than can be kept.
            outbox.limit(_MOST, MOST_BYTES)
            outbox.limit_pending(MOST_BYTES)
            self._keeping = Keeping(self._key, self._snapshot, lambda: repr(self.carrier.owner))

    def restore(self) -> list[str | bytes]:
        """Restores what the previous page in this tab kept; returns the messages that waited."""
        if self._key is None or self._keeping is None:
            return []
        snapshot = self._keeping.restore()
        self._keys.add(self._key)
        if snapshot is None:
            return []
        core = self._core
        core.session = snapshot.session
        core.kept = snapshot.waiting
        core.connection = snapshot.connection
        core.received = core.done = snapshot.done
        self.outbox.restore(
            snapshot.confirmed, [(message, frozen(message)[1]) for message in snapshot.sent]
        )
        return snapshot.waiting

    def check(self, data: Any) -> None:
        if self._key is not None and (isinstance(data, Blob) or is_blob(data)):
            raise TypeError("a Blob cannot be kept with persist=: send await blob.bytes() instead")
        if self._key is not None and isinstance(data, (str, bytes)) and len(data) > MOST_BYTES:
            raise ValueError(
                f"a message of {len(data):,} bytes cannot be kept with persist=, which keeps "
                f"{MOST_BYTES:,}: send it in parts, or over a queue without persist="
            )

    def opened(self, attempt: Attempt) -> bool:
        """Asks to open or resume the session."""
        if attempt.protocol != SUBPROTOCOL:
            attempt.fail(
                ConnectionFailed(
                    attempt.address,
                    f"{attempt.address} accepted the connection without the subprotocol "
                    f"{SUBPROTOCOL!r}, so it does not support sessions: leave out session=, or "
                    "add sessions to the server, see docs/sessions.md",
                )
            )
            return True
        self._attempt = attempt
        need_not_wait = self._core.need_not_wait
        hello = self._core.hello()
        if self._keeping is not None:
            self._keeping.changed(at_once=True)  # The next page must not count behind.
        self.carrier.transmit([hello])
        if need_not_wait:
            attempt.release()
        return True

    def received(self, messages: list[Any]) -> list[Any]:
        core, attempt = self._core, self._attempt
        self._account()
        was_joined, was_asking = core.is_joined, core.is_asking
        arrived = core.receive(messages)
        if was_asking and not core.is_asking and self.heart is not None:
            self.heart.answered()
        if core.failure is not None:
            # The server violates the protocol.
            if attempt is not None:
                attempt.end(core.failure.code, core.failure.reason)
        elif core.is_joined and attempt is not None:
            self._send_controls()
            if not was_joined:
                self._send_again()
                attempt.ready()
            if len(arrived) < len(messages):  # Only a control makes room for more.
                self.carrier.flush()
        return arrived

    def taken(self) -> None:
        self._account()
        self._await_ack()
        self._changed()
        self._send_controls()

    def sent(self) -> None:
        self._changed()
        if self._ack_timer is not None and self.outbox.clock() >= self._ack_may_go:
            self._acknowledge_now()

    def wanted(self) -> None:
        self._is_wanted = True
        self.flushed()

    def flushed(self) -> None:
        """Asks for acknowledgements, if wanted and not yet asked for."""
        self._changed()
        if (
            self._core.has_unasked
            and (self._is_wanted or self._core.is_short_of_window)
            and self.outbox.has_unkeyed
            and self.heart is not None
        ):
            self.heart.request()

    def ask(self) -> None:
        """Asks for an acknowledgement, which is the heartbeat of a session."""
        self._core.ask()
        self._send_controls()

    def asked(self) -> None:
        # Messages that still wait need another acknowledgement.
        self._is_wanted = self.outbox.pending > 0

    def closing(self) -> None:
        self._cancel_ack_timer()
        self._account()
        if self._core.has_unacknowledged:
            self._core.acknowledge()
        self._send_controls()

    def close_answered(self) -> None:
        """Does nothing: the server's application may not be done with the messages."""

    def lost(self) -> None:
        self._attempt = None
        self._is_wanted = True
        self._core.disconnect()
        self._cancel_ack_timer()

    def renew(self, event: Event) -> Exception | None:
        """Starts a new session, if the server no longer has this one."""
        if not self._renews or event.code != NO_SUCH_SESSION or self._core.session is None:
            return None
        outbox = self.outbox
        expired = _expired(event, outbox, is_renewed=True)
        outbox.keeps_unconfirmed = False  # It is unknown what has arrived: all is sent again.
        outbox.connection_lost()
        outbox.keeps_unconfirmed = True
        self._core = ClientCore(outbox, self._window)
        return expired

    def final(self, event: Event) -> Exception | None:
        if not ends_session(event.code):
            return None
        if event.code == NO_SUCH_SESSION:
            return _expired(event, self.outbox)
        return connection_closed(event.code, event.reason, event.wasClean)

    def on_page_event(self, type: str) -> Exception | None:
        """Keeps the session while the page is hidden or left."""
        if self._keeping is not None and self._keeping.on_page_event(type):
            reason = "another page of this tab has resumed the session"
            return connection_closed(TAKEN_OVER, reason, False, cause=reason)
        return None

    def ended(self) -> None:
        self._is_over = True
        if self._keeping is not None:
            self._keeping.stop()
        if self._key is not None:
            self._keys.discard(self._key)

    def _snapshot(self) -> Snapshot | None:
        """Returns what the next page needs to resume the session."""
        core, outbox = self._core, self.outbox
        if self._is_over:
            return None
        self._account()
        messages = outbox.unfinished()
        sent, waiting = messages[: outbox.unconfirmed], messages[outbox.unconfirmed :]
        return Snapshot(core.session, core.connection, core.done, core.confirmed, sent, waiting)

    def _changed(self) -> None:
        if self._keeping is not None:
            self._keeping.changed()

    def _account(self) -> None:
        """Counts what the application has taken from the queue as done."""
        core, queue = self._core, self._queue
        # Messages of a previous session come first, and are not counted.
        held = min(len(queue), core.received)
        size = sum(map(len, itertools.islice(queue, len(queue) - held, None)))
        core.finish(core.received - held, size)

    def _await_ack(self) -> None:
        core = self._core
        if core.is_joined and core.has_unacknowledged and self._ack_timer is None:
            self._ack_timer = Timer(ACK_DELAY, self._acknowledge_in_time)
            self._ack_may_go = self.outbox.clock() + ACK_WITH_MESSAGE

    def _acknowledge_in_time(self) -> None:
        try:
            self._acknowledge_now()
        except Exception as error:
            self.carrier.fail(error)

    def _acknowledge_now(self) -> None:
        self._cancel_ack_timer()
        self._account()
        if self._core.has_unacknowledged:
            self._core.acknowledge()
        self._send_controls()

    def _cancel_ack_timer(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def _send_again(self) -> None:
        """Sends again what the server has not received."""
        again, self._core.again = self._core.again, []
        if again:
            size = sum(delivery.size for delivery in again)
            self.carrier.resend([delivery.message for delivery in again], size)

    def _send_controls(self) -> None:
        controls = self._core.controls()
        if controls:
            if self._keeping is not None:
                self._keeping.catch_up()  # What is acknowledged does not arrive again.
            self.carrier.transmit(controls)


def _expired(event: Event, outbox: Outbox, *, is_renewed: bool = False) -> SessionExpired:
    return SessionExpired(
        event.reason, outbox.unfinished(), why=why_gone(event.reason), is_renewed=is_renewed
    )


def _key(url: Any, session: Session) -> str:
    """Returns the storage key."""
    name = session.name if session.name is not None or callable(url) else shown(url)
    if name is None:
        raise ValueError("persist= with a function for the URL needs a name=: Session(name=...)")
    return f"readystate:{name}"


def _window(max_queue: int | None, max_queue_bytes: int | None) -> Window:
    """Returns how much the server may send before the application receives it."""
    messages = _MOST if max_queue is None else max(1, max_queue)
    return Window(messages, _MOST if max_queue_bytes is None else max(1, max_queue_bytes))
