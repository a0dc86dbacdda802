"""The exceptions of readystate.

::

    Exception
     +-- DOMException              the browser's own exception; its ``name`` says which
          +-- InvalidStateError    (11) send() while CONNECTING
          +-- DOMSyntaxError       (12) "SyntaxError": a bad URL, subprotocol or close reason
          +-- InvalidAccessError   (15) close() with a code other than 1000 and 3000-4999
          +-- SecurityError        (18) a connection that the browser forbids
          +-- QuotaExceededError   (22) more than the browser will hold
     +-- ConnectionFailed          connect() got no connection; also an OSError
          +-- OpenTimeout          none within open_timeout; also a TimeoutError
     +-- ConnectionClosed          the connection has ended: its code, reason and was_clean
          +-- ConnectionClosedOK   as either side meant it to: 1000, 1001 or without a code
          +-- ConnectionClosedError  in any other way
               +-- SessionExpired  a session could not be resumed: what is unconfirmed may be lost
     +-- ConcurrencyError          two tasks receive from one connection; also a RuntimeError
     +-- QueueFull                 a queue has no room for a message, which was not accepted
     +-- QueueClosed               a queue was closed; also a RuntimeError
     +-- MessageDropped            a message that was accepted will not be confirmed

What Web IDL calls a ``TypeError`` arrives as Python's :exc:`TypeError`.

Which class is raised is decided by the ``name`` of the JavaScript error, as the standards do
(https://webidl.spec.whatwg.org/#idl-DOMException-error-names), not by its JavaScript class,
in which engines differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Literal

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "ConnectionFailed",
    "DOMException",
    "DOMSyntaxError",
    "InvalidAccessError",
    "InvalidStateError",
    "MessageDropped",
    "OpenTimeout",
    "QueueClosed",
    "QueueFull",
    "QuotaExceededError",
    "SecurityError",
    "SessionExpired",
]


class DOMException(Exception):  # noqa: N818 - the standard's name
    """An exception of the browser's, as it threw it.

    Raised as one of the subclasses where its ``name`` has one, otherwise as this class.

    Attributes:
        name: The error's name, such as ``"InvalidStateError"``.
        message: The browser's own words; they differ from one engine to another.
        code: The legacy code that belongs to the name, 0 if there is none.
        js_error: The JavaScript object itself; ``None`` if the exception was made in Python.
    """

    name: str = "Error"
    code: int = 0

    def __init__(
        self,
        message: str = "",
        name: str | None = None,
        *,
        code: int | None = None,
        js_error: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.js_error = js_error
        if name is not None:
            self.name = name
        if code is not None:
            self.code = code


class InvalidStateError(DOMException):
    """``send()`` was called while the socket is CONNECTING: wait for ``open``, or use a queue.

    https://websockets.spec.whatwg.org/#dom-websocket-send
    """

    name = "InvalidStateError"
    code = 11


class DOMSyntaxError(DOMException):
    """The browser's ``SyntaxError``: text that has not the form that is asked for.

    A URL that cannot be parsed, has a scheme other than ``ws``, ``wss``, ``http`` or ``https``, or
    has a fragment; a subprotocol that is not a token, or is given twice; a close reason that is
    longer than 123 bytes of UTF-8. Its ``name`` is ``"SyntaxError"``; the Python name avoids the
    builtin, to which it is not related.
    """

    name = "SyntaxError"
    code = 12


class InvalidAccessError(DOMException):
    """``close()`` was called with a code that is neither 1000 nor from 3000 to 4999.

    https://websockets.spec.whatwg.org/#dom-websocket-close
    """

    name = "InvalidAccessError"
    code = 15


class SecurityError(DOMException):
    """The browser forbids the connection, such as ``ws:`` from a page served over ``https:``."""

    name = "SecurityError"
    code = 18


class QuotaExceededError(DOMException):
    """The browser will not hold as much as was asked for."""

    name = "QuotaExceededError"
    code = 22


BY_NAME: dict[str, type[DOMException]] = {
    cls.name: cls
    for cls in (
        InvalidStateError,
        DOMSyntaxError,
        InvalidAccessError,
        SecurityError,
        QuotaExceededError,
    )
}


class ConnectionFailed(ConnectionError):  # noqa: N818
    """No connection came about. Browsers hide the reason from pages on purpose.

    https://websockets.spec.whatwg.org/#feedback-from-the-protocol

    Attributes:
        url: Where to, without user info and query, where secrets stand.
    """

    def __init__(
        self,
        url: str,
        message: str | None = None,
        *,
        subprotocols: Iterable[str] = (),
        permission: str = "",
    ) -> None:
        advice = "" if message else _advice(subprotocols, permission)
        super().__init__(message or f"{url} could not be connected to. {advice}")
        self.url = url


_IN_A_PAGE = sys.platform == "emscripten"


def _advice(subprotocols: Iterable[str], permission: str) -> str:
    """Where to look, when there was no connection, with these subprotocols and this permission."""
    offered = [*filter(None, subprotocols)]
    own = [name for name in offered if name.startswith("readystate.")]
    origin = ", from this page's Origin" if _IN_A_PAGE else ""
    choice = ", with one of the subprotocols that were offered" if offered else ""
    sessions = f" Does it have sessions, that is, speak {own[0]!r}?" if own else ""
    questions = (
        "Is the server running and in reach, and does it accept WebSockets at this path"
        f"{origin}{choice}?{sessions} Is its TLS certificate valid, if the URL is wss:?"
    )
    if not _IN_A_PAGE:
        return f"{questions} The log of 'readystate' says why, at the level DEBUG."
    return (
        f"The browser does not tell pages why; its console may. {questions} Does the page's "
        "Content-Security-Policy (connect-src) allow it? If the server is on this machine or in "
        "the local network: does the browser's permission for that"
        f"{_stated(permission)}? From an https: page only wss: is allowed."
    )


class OpenTimeout(ConnectionFailed, TimeoutError):  # noqa: N818
    """No connection came about within ``open_timeout``; the attempt has been given up."""

    def __init__(self, url: str, timeout: float, what: str = "", *, permission: str = "") -> None:
        if not what:
            what = f"{url} has not accepted the connection"
            causes = f"{_CAUSES_OF_DELAY}{_stated(permission)}" if _IN_A_PAGE else ""
        else:
            causes = ""
        super().__init__(url, f"{what} within {timeout:g} s{causes}")


def _stated(permission: str) -> str:
    return f" ({permission})" if permission else ""


_CAUSES_OF_DELAY = (
    ". The server may be out of reach, or hang; or the browser has not asked it yet: it makes one "
    "handshake at a time to each host, so one that hangs holds up all others; and if the server is "
    "on this machine or in the local network, it may wait for the user to answer its prompt for "
    "that permission"
)


class ConnectionClosed(Exception):  # noqa: N818
    """The connection is closing or has ended.

    Attributes:
        code: Of the server's close frame; 1005 if that had none, 1006 if there was no frame.
        reason: Of the server's close frame.
        was_clean: Whether the connection ended with a closing handshake.
        cause: Why it ended, in words, if that was not the server's doing; else ``""``.
    """

    def __init__(self, code: int, reason: str, was_clean: bool, cause: str = "") -> None:
        if cause:
            text = f"ended: {cause} ({code})"
        else:
            how = "closed"
            if not was_clean:
                how = "lost, without a closing handshake" if code == 1006 else _HALF_CLOSED
            text = f"{how}: {code}{f' {reason!r}' if reason else ''}"
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.was_clean = was_clean
        self.cause = cause

    def anew(self) -> ConnectionClosed:
        """A new exception each time: one that is raised again and again collects tracebacks."""
        return type(self)(self.code, self.reason, self.was_clean, self.cause)


_HALF_CLOSED = "closed by the server, and lost during the closing handshake"


class ConnectionClosedOK(ConnectionClosed):
    """It ended as meant: cleanly, with 1000, 1001 or no code at all."""


class ConnectionClosedError(ConnectionClosed):
    """It ended with another code, or was lost."""


class SessionExpired(ConnectionClosedError):  # noqa: N818
    """The session is gone: it could not be resumed in time, or the server does not know it.

    Attributes:
        why: ``"expired"``: this server had the session, and has it no more, as it was not resumed
            in time or was ended meanwhile. ``"forgotten"``: this server does not know it: it was
            restarted without a store that outlives it, or is another one. ``"unknown"``: one of
            these; the server cannot tell.
        unconfirmed: The messages that were accepted and not confirmed, the oldest first. The
            first ones may have arrived.
        is_renewed: Whether a new session takes its place, in which they are sent again
            (``Session(renew=True)``).
    """

    def __init__(
        self,
        reason: str,
        unconfirmed: list[Any],
        *,
        why: Literal["expired", "forgotten", "unknown"] = "unknown",
        is_renewed: bool = False,
    ) -> None:
        super().__init__(4404, reason, was_clean=True)
        self.why = why
        self.unconfirmed = unconfirmed
        self.is_renewed = is_renewed

    def __str__(self) -> str:
        count = len(self.unconfirmed)
        messages = f"{count:,} {'message is' if count == 1 else 'messages are'} unconfirmed"
        what = (
            "and sent again in a new session"
            if self.is_renewed
            else "see .unconfirmed. Begin a new session and send again what is still wanted, or "
            "use Session(renew=True), which does both"
        )
        return f"{_WHY_GONE[self.why]} ({self.code} {self.reason!r}): {messages}, {what}"


_WHY_GONE = {
    "expired": "the session has expired: it was not resumed in time, or was ended meanwhile",
    "forgotten": "the server does not know the session: it was restarted and its sessions are not "
    "in a shared store, or it is another server",
    "unknown": "the server has no such session, and cannot tell why: it has expired, or the server "
    "was restarted and its sessions are not in a shared store",
}


_OK_CODES = (1000, 1001, 1005)


def connection_closed(code: int, reason: str, was_clean: bool, cause: str = "") -> ConnectionClosed:
    """The exception for a connection that has ended so."""
    ok = was_clean and code in _OK_CODES
    return (ConnectionClosedOK if ok else ConnectionClosedError)(code, reason, was_clean, cause)


class ConcurrencyError(RuntimeError):
    """A second task receives from a connection while one is waiting for a message."""


class QueueFull(Exception):  # noqa: N818 - as in asyncio
    """There is no room for the message. It was not accepted, and what waits goes on waiting."""

    def __init__(self, pending: int, pending_bytes: int, size: int, *, may_wait: bool) -> None:
        what = "await put(), which waits for room" if may_wait else "on_full='wait' and put()"
        super().__init__(
            f"no room for a message of {size:,} bytes: {pending:,} with {pending_bytes:,} bytes "
            f"wait to be sent. Send it later, drop it, or use {what}"
        )


class QueueClosed(RuntimeError):  # noqa: N818
    """The queue was closed and accepts no message any more."""

    def __init__(self) -> None:
        super().__init__("this queue was closed, by close(): a message needs another one")


class MessageDropped(Exception):  # noqa: N818
    """A message will not be sent, or not again, though it was not confirmed.

    Attributes:
        reason: Why; see :class:`Delivery`.
        message: The message itself.
    """

    def __init__(self, reason: str, message: Any) -> None:
        super().__init__(f"the message was dropped: {reason}")
        self.reason = reason
        self.message = message
