"""A :class:`QueuedWebSocket` with a session: each message exactly once, in both directions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from .._host import (
    NativeError,
    Outlet,
    Timer,
    frozen,
    is_blob,
    python_error,
    restore,
    save,
)
from ..core.delivery import Delivery, DropReason
from ..core.handlers import report
from ..core.heartbeat import Heartbeat
from ..dom.blob import Blob
from ..dom.events import CloseEvent
from ..exceptions import ConnectionFailed, SessionExpired, connection_closed
from ..session.control import (
    NO_SUCH_SESSION,
    SUBPROTOCOL,
    TAKEN_OVER,
    ProtocolError,
    Window,
    ends_session,
    escape,
)
from ..session.core import ACK_DELAY, ClientCore
from ..session.options import Session
from ..session.snapshot import Snapshot
from .queued_websocket import Protocols, QueuedWebSocket, _Link

_MOST = 2**31 - 1
"""As much as without a limit."""


class SessionWebSocket(QueuedWebSocket):
    """What ``QueuedWebSocket(url, session=...)`` makes: see there, and docs/session-protocol.md."""

    _has_no_session = False
    # The names under which sessions of this page are kept.
    _keys: ClassVar[set[str]] = set()

    def __init__(
        self,
        url: Any,
        protocols: Protocols | Callable[[], Protocols | Awaitable[Protocols]] = (),
        *,
        session: bool | Session = True,
        max_queue: int | None = 2**16,
        max_queue_bytes: int | None = 2**26,
        **options: Any,
    ) -> None:
        for name in ("heartbeat", "acks", "on_open", "in_doubt", "on_overflow"):
            if name in options:
                raise ValueError(
                    f"{name}= cannot be had with session=, which takes its place: leave one out"
                )
        kept = session if isinstance(session, Session) else Session()
        super().__init__(
            url,
            protocols,
            session=kept,
            heartbeat=kept.heartbeat,
            # The window bounds what is received, so that nothing has to be dropped.
            max_queue=None,
            max_queue_bytes=None,
            **options,
        )
        self._outbox.keeps_unconfirmed = True
        self._core = ClientCore(self._outbox, _window(max_queue, max_queue_bytes))
        self._ack_timer: Timer | None = None
        # Under which name it is kept while another page is shown.
        self._key = _key(url, kept) if kept.persist else None
        if self._key is not None:
            if self._key in self._keys:
                raise ValueError(
                    f"another session is kept as {self._key!r} by this page: give each a name of "
                    "its own, Session(name=...)"
                )
            self._restore(self._key)
            self._keys.add(self._key)

    def send(self, data: Any, *, ttl: float | None = None) -> Delivery:
        if self._key is not None and (isinstance(data, Blob) or is_blob(data)):
            raise TypeError(
                "a Blob cannot be kept with persist=: send its bytes, await blob.bytes()"
            )
        return super().send(data, ttl=ttl)

    def abort(self) -> None:
        link = self._link
        if link is not None and link.is_open:
            link.ws.close(1000, "aborted")  # which ends the session for the server too
        super().abort()

    def _begin(self, url: Any, protocols: Any) -> _Link:
        others = [protocols] if isinstance(protocols, str) else protocols or ()
        return super()._begin(url, [SUBPROTOCOL, *others])

    def _prepare(self, link: _Link) -> None:
        """Begins the session, or asks to go on with it."""
        if link.ws.protocol != SUBPROTOCOL:
            link.failure = ConnectionFailed(
                self._address,
                f"{self._address} has accepted the connection without the subprotocol "
                f"{SUBPROTOCOL!r}, so it has no sessions: leave out session=, or see in the README "
                "how a server comes to have them",
            )
            self._abandon(link)
        elif self._outlet is not None:
            need_not_wait = self._core.need_not_wait
            super()._transmit(self._outlet, [self._core.hello()], 0)
            if need_not_wait:
                self._release()

    def _heed(self, link: _Link, messages: list[Any]) -> list[Any]:
        core = self._core
        self._account()
        was_joined = core.is_joined
        arrived = core.receive(messages)
        if core.failure is not None:
            self._fail(link, core.failure)
        elif core.is_joined and self._outlet is not None:
            self._send_controls()
            if not was_joined:
                self._send_again(self._outlet)
                self._on_link_ready(link)
            if len(arrived) < len(messages):  # Only a control makes room for more.
                self._flush()
        return arrived

    def _send_again(self, outlet: Outlet) -> None:
        """Goes on where the server says that it has lost us."""
        again, self._core.again = self._core.again, []
        if again:
            size = sum(delivery.size for delivery in again)
            self._transmit(outlet, [delivery.message for delivery in again], size)

    def _take(self) -> None:
        super()._take()
        self._account()
        self._await_ack()
        self._send_controls()

    def _account(self) -> None:
        """The application is done with what it has taken from the queue."""
        core, queue = self._core, self._queue
        core.finish(core.received - len(queue), sum(map(len, queue)))

    def _await_ack(self) -> None:
        core = self._core
        if core.is_joined and core.has_unacknowledged and self._ack_timer is None:
            self._ack_timer = Timer(ACK_DELAY, self._acknowledge_in_time)

    def _acknowledge_in_time(self) -> None:
        self._cancel_ack_timer()
        self._account()
        if self._core.has_unacknowledged:
            self._core.acknowledge_in_time()
            self._await_ack()
        self._send_controls()

    def _cancel_ack_timer(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    def _probe(self) -> None:
        if self._core.has_unasked and (self._is_wanted or self._core.is_short_of_window):
            super()._probe()

    def _send_request(self, heartbeat: Heartbeat, outlet: Outlet) -> None:  # noqa: ARG002
        self._core.ask()
        self._send_controls()

    def _send_controls(self) -> None:
        controls = self._core.controls()
        if controls and self._outlet is not None and self._outlet.is_open:
            super()._transmit(self._outlet, controls, 0)

    def _transmit(self, outlet: Outlet, messages: list[Any], size: int) -> None:
        super()._transmit(outlet, escape(messages), size)

    def _begin_close(self, link: _Link, code: int, reason: str) -> None:
        self._cancel_ack_timer()
        self._account()
        if self._core.has_unacknowledged:
            self._core.acknowledge()
        self._send_controls()
        super()._begin_close(link, code, reason)

    def _on_answered_close(self) -> None:
        """It is no evidence that the application at the other end is done with anything."""

    def _disconnect(self, reason: DropReason | None = None) -> None:
        self._core.disconnect()
        self._cancel_ack_timer()
        super()._disconnect(reason)

    def _end_by(self, event: CloseEvent, error: Exception) -> Exception | None:
        if not ends_session(event.code):
            return super()._end_by(event, error)
        if event.code == NO_SUCH_SESSION:
            return SessionExpired(event.reason, self._outbox.unfinished())
        return connection_closed(event.code, event.reason, event.wasClean)

    def _fail(self, link: _Link, failure: ProtocolError) -> None:
        """The server does not keep to the protocol."""
        link.ws.close(failure.code, failure.reason)
        end = connection_closed(failure.code, failure.reason, was_clean=False)
        self._finish(end, "session ended")

    def _on_page_event(self, type: str) -> None:
        if self._key is not None and type in ("pagehide", "pageshow"):
            try:
                self._keep(self._key) if type == "pagehide" else self._go_on(self._key)
            except NativeError as error:
                report(f"The browser does not keep what {self!r} holds", python_error(error))
        super()._on_page_event(type)

    def _restore(self, key: str) -> None:
        """Goes on where the last page in this tab was left."""
        text = restore(key)
        save(key, None)  # It is ours now, also if this tab is copied.
        if text is None:
            return
        snapshot = Snapshot.load(text)
        core = self._core
        core.session = snapshot.session
        core.connection = snapshot.connection
        core.received = core.done = snapshot.done
        self._outbox.restore(
            snapshot.confirmed, [(message, frozen(message)[1]) for message in snapshot.sent]
        )
        for message in snapshot.waiting:
            self.send(message)

    def _keep(self, key: str) -> None:
        """The page is left, perhaps for good."""
        core, outbox = self._core, self._outbox
        self._account()
        if self._end is not None:
            return
        messages = outbox.unfinished()
        sent, waiting = messages[: outbox.unconfirmed], messages[outbox.unconfirmed :]
        counts = core.connection, core.done, core.confirmed
        save(key, Snapshot(core.session, *counts, sent, waiting).dump())

    def _go_on(self, key: str) -> None:
        """The page is shown again: if no other one has gone on with the session meanwhile."""
        if restore(key) is None and self._core.session is not None:
            reason = "another page of this tab has gone on with the session"
            self._finish(connection_closed(TAKEN_OVER, reason, was_clean=False), "session ended")
        else:
            save(key, None)

    def _finish(self, end: Exception, reason: DropReason) -> None:
        if reason == "closed" and self._closing is None:
            reason = "session ended"
        super()._finish(end, reason)
        if self._key is not None:
            self._keys.discard(self._key)


def _key(url: Any, session: Session) -> str:
    """Under which name to keep it."""
    name = session.name if session.name is not None or callable(url) else str(url).partition("?")[0]
    if name is None:
        raise ValueError("persist= with a function for the URL needs a name=: Session(name=...)")
    return f"readystate:{name}"


def _window(max_queue: int | None, max_queue_bytes: int | None) -> Window:
    """How much the server may send that nobody has received yet."""
    messages = _MOST if max_queue is None else max(1, max_queue)
    return Window(messages, _MOST if max_queue_bytes is None else max(1, max_queue_bytes))
