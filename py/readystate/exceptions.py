"""The exceptions of readystate.

Web IDL's ``TypeError`` is raised as Python's :exc:`TypeError`.

The ``name`` of the JavaScript error selects the class
(https://webidl.spec.whatwg.org/#idl-DOMException-error-names), because engines differ in its
JavaScript class.
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
    """An exception thrown by the browser.

    Raised as the subclass for its ``name`` if there is one, otherwise as this class.

    Attributes:
        name: The error's name, such as ``"InvalidStateError"``.
        message: The browser's message, which differs between engines.
        code: The legacy code of the name, 0 if it has none.
        js_error: The JavaScript object; ``None`` if the exception was created in Python.
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
    """Raised by ``send()`` while the socket is CONNECTING: wait for ``open``, or use a queue.

    https://websockets.spec.whatwg.org/#dom-websocket-send
    """

    name = "InvalidStateError"
    code = 11


class DOMSyntaxError(DOMException):
    """The browser's ``SyntaxError``: an invalid URL, subprotocol or close reason.

    The URL cannot be parsed, has a fragment, or a scheme other than ``ws``, ``wss``, ``http`` or
    ``https``; a subprotocol is not a token, or is given twice; or the close reason is longer than
    123 bytes of UTF-8. Its ``name`` is ``"SyntaxError"``; it is unrelated to Python's builtin.
    """

    name = "SyntaxError"
    code = 12


class InvalidAccessError(DOMException):
    """Raised by ``close()`` if the code is neither 1000 nor from 3000 to 4999.

    https://websockets.spec.whatwg.org/#dom-websocket-close
    """

    name = "InvalidAccessError"
    code = 15


class SecurityError(DOMException):
    """The browser forbids the connection, such as ``ws:`` from a page served over ``https:``."""

    name = "SecurityError"
    code = 18


class QuotaExceededError(DOMException):
    """A limit of the browser is exceeded."""

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
    """The connection could not be made. Browsers hide the reason from pages on purpose.

    https://websockets.spec.whatwg.org/#feedback-from-the-protocol

    Attributes:
        url: The URL, without user info, query and fragment, which may hold secrets.
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
        super().__init__(message or f"could not connect to {url}. {advice}")
        self.url = url


_IN_A_PAGE = sys.platform == "emscripten"


def _advice(subprotocols: Iterable[str], permission: str) -> str:
    """What to check when a connection with these subprotocols fails."""
    offered = [*filter(None, subprotocols)]
    own = [name for name in offered if name.startswith("readystate.")]
    origin = ", from this page's Origin" if _IN_A_PAGE else ""
    choice = ", with one of the offered subprotocols" if offered else ""
    sessions = f" Does it support sessions ({own[0]!r})?" if own else ""
    questions = (
        "Is the server running and reachable, and does it accept WebSockets at this path"
        f"{origin}{choice}?{sessions} Is its TLS certificate valid, if the URL is wss:?"
    )
    if not _IN_A_PAGE:
        return f"{questions} The logger 'readystate' tells why, at level DEBUG."
    return (
        f"The browser does not tell pages why; its console may. {questions} Does the page's "
        "Content-Security-Policy (connect-src) allow it? If the server is on this machine or in "
        f"the local network: has the user permitted that{_stated(permission)}? From an https: page "
        "only wss: is allowed."
    )


class OpenTimeout(ConnectionFailed, TimeoutError):  # noqa: N818
    """The connection was not made within ``open_timeout``; the attempt was abandoned."""

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
    ". The server may be unreachable or hang; or the browser waits: for another handshake with the "
    "same host, as it makes one at a time, or, if the server is on this machine or in the local "
    "network, for the user to permit that"
)


class ConnectionClosed(Exception):  # noqa: N818
    """The connection is closing or has ended.

    Attributes:
        code: The code in the server's close frame; 1005 if it had none, 1006 without a frame.
        reason: The reason in the server's close frame.
        was_clean: Whether the closing handshake was completed.
        cause: Why the client ended the connection; ``""`` if it did not.
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
        """A copy: an exception that is raised repeatedly collects tracebacks."""
        return type(self)(self.code, self.reason, self.was_clean, self.cause)


_HALF_CLOSED = "closed by the server, and lost during the closing handshake"


class ConnectionClosedOK(ConnectionClosed):
    """The connection ended cleanly, with 1000, 1001 or no code."""


class ConnectionClosedError(ConnectionClosed):
    """The connection ended with another code, or was lost."""


class SessionExpired(ConnectionClosedError):  # noqa: N818
    """The session cannot be resumed: it has expired, or the server does not know it.

    Attributes:
        why: ``"expired"``: the session was not resumed in time, or the server ended it.
            ``"forgotten"``: the server was restarted without a persistent store, or is another one.
            ``"unknown"``: the server cannot tell which.
        unconfirmed: The messages that were not confirmed, the oldest first. The first of them may
            have arrived.
        is_renewed: Whether they are sent again in a new session (``Session(renew=True)``).
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
            else "see .unconfirmed. Start a new session and send again what you still need, or "
            "use Session(renew=True), which does both"
        )
        return f"{_WHY_GONE[self.why]} ({self.code} {self.reason!r}): {messages}, {what}"


_WHY_GONE = {
    "expired": "the session has expired: it was not resumed in time, or the server ended it",
    "forgotten": "the server does not know the session: it was restarted and its sessions are not "
    "in a shared store, or it is another server",
    "unknown": "the server has no such session, and cannot tell why: it has expired, or the server "
    "was restarted and its sessions are not in a shared store",
}


_OK_CODES = (1000, 1001, 1005)


def connection_closed(code: int, reason: str, was_clean: bool, cause: str = "") -> ConnectionClosed:
    """Returns the exception for a connection that ended this way."""
    ok = was_clean and code in _OK_CODES
    return (ConnectionClosedOK if ok else ConnectionClosedError)(code, reason, was_clean, cause)


class ConcurrencyError(RuntimeError):
    """A task receives from a connection while another task is waiting for a message."""


class QueueFull(Exception):  # noqa: N818 - as in asyncio
    """The queue has no room for the message, which was not accepted."""

    def __init__(self, pending: int, pending_bytes: int, size: int, *, may_wait: bool) -> None:
        what = "await put(), which waits for room" if may_wait else "on_full='wait' and put()"
        super().__init__(
            f"no room for a message of {size:,} bytes: {pending:,} with {pending_bytes:,} bytes "
            f"wait to be sent. Send it later, drop it, or use {what}"
        )


class QueueClosed(RuntimeError):  # noqa: N818
    """The queue was closed and accepts no more messages."""

    def __init__(self) -> None:
        super().__init__("this queue was closed by close(): send the message through another queue")


class MessageDropped(Exception):  # noqa: N818
    """A message was dropped before it was confirmed.

    Attributes:
        reason: Why; see :class:`Delivery`.
        message: The message itself.
    """

    def __init__(self, reason: str, message: Any) -> None:
        super().__init__(f"the message was dropped: {reason}")
        self.reason = reason
        self.message = message
