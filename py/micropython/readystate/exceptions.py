"""The exceptions of readystate; each is described in its reference.

MicroPython has no class with two builtin bases and no ``ConnectionError``: ``ConnectionFailed`` is
an ``OSError``, and ``OpenTimeout`` is no ``TimeoutError``.
"""


class DOMException(Exception):
    """An exception thrown by the browser; see its subclass for each ``name``.

    Attributes: ``name``, ``message``, the legacy ``code``, and ``js_error``, the JavaScript object.
    """

    name = "Error"
    code = 0

    def __init__(self, message="", name=None, *, code=None, js_error=None):
        super().__init__(message)
        self.message = message
        self.js_error = js_error
        if name is not None:
            self.name = name
        if code is not None:
            self.code = code


_BY_NAME = {}


def _named(name, code, cls=None):
    made = type(cls or name, (DOMException,), {"name": name, "code": code})
    _BY_NAME[name] = made
    return made


InvalidStateError = _named("InvalidStateError", 11)
DOMSyntaxError = _named("SyntaxError", 12, "DOMSyntaxError")
InvalidAccessError = _named("InvalidAccessError", 15)
SecurityError = _named("SecurityError", 18)
QuotaExceededError = _named("QuotaExceededError", 22)


def python_error(error):
    """Returns the exception for a JavaScript error."""
    name, message = str(error.name), str(error.message)
    if name == "TypeError":
        return TypeError(message)
    cls = _BY_NAME.get(name, DOMException)
    return cls(message, name, code=getattr(error, "code", 0), js_error=error)


class ConnectionFailed(OSError):
    """The connection could not be made. Browsers hide the reason from pages on purpose."""

    def __init__(self, url, message=None):
        self.url = url
        super().__init__(
            message
            or f"could not connect to {url}. The browser does not tell pages why; its console may. "
            "Is the server running, and does it accept WebSockets at this path, from this page's "
            "Origin, with one of the subprotocols? From an https: page only wss: is allowed."
        )


class OpenTimeout(ConnectionFailed):
    """The connection was not made within ``open_timeout``; the attempt was abandoned."""

    def __init__(self, url, timeout):
        super().__init__(url, f"{url} has not accepted the connection within {timeout:g} s")


class ConnectionClosed(Exception):
    """The connection is closing or has ended: ``code``, ``reason``, ``was_clean``, ``cause``."""

    def __init__(self, code, reason, was_clean, cause=""):
        if cause:
            text = f"ended: {cause} ({code})"
        else:
            how = "closed" if was_clean else "lost, without a closing handshake"
            text = f"{how}: {code}" + (f" {reason!r}" if reason else "")
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.was_clean = was_clean
        self.cause = cause


class ConnectionClosedOK(ConnectionClosed):
    """The connection ended cleanly, with 1000, 1001 or no code."""


class ConnectionClosedError(ConnectionClosed):
    """The connection ended with another code, or was lost."""


def connection_closed(code, reason, was_clean, cause=""):
    """Returns the exception for a connection that ended this way."""
    ok = was_clean and code in (1000, 1001, 1005)
    return (ConnectionClosedOK if ok else ConnectionClosedError)(code, reason, was_clean, cause)


class ConcurrencyError(RuntimeError):
    """A task receives from a connection while another task is waiting for a message."""


class QueueFull(Exception):
    """The queue has no room for the message, which was not accepted."""

    def __init__(self, pending, pending_bytes, size):
        super().__init__(
            f"no room for a message of {size:,} bytes: {pending:,} with {pending_bytes:,} bytes "
            "wait to be sent. Send it later, drop it, or use on_full='wait' and put()"
        )


class QueueClosed(RuntimeError):
    """The queue was closed and accepts no more messages."""

    def __init__(self):
        super().__init__("this queue was closed by close(): send the message through another queue")


class MessageDropped(Exception):
    """A message was dropped before it was confirmed, for a ``reason``."""

    def __init__(self, reason, message):
        super().__init__(f"the message was dropped: {reason}")
        self.reason = reason
        self.message = message
