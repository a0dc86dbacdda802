"""The exceptions of readystate.

::

    Exception
     +-- DOMException              the browser's own exception; its ``name`` says which
          +-- InvalidStateError    (11) send() while CONNECTING
          +-- DOMSyntaxError       (12) "SyntaxError": a bad URL, subprotocol or close reason
          +-- InvalidAccessError   (15) close() with a code other than 1000 and 3000-4999
          +-- SecurityError        (18) a connection that the browser forbids
          +-- QuotaExceededError   (22) more than the browser will hold

What Web IDL calls a ``TypeError`` arrives as Python's :exc:`TypeError`.

Which class is raised is decided by the ``name`` of the JavaScript error, as the standards do
(https://webidl.spec.whatwg.org/#idl-DOMException-error-names), not by its JavaScript class,
in which engines differ.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "DOMException",
    "DOMSyntaxError",
    "InvalidAccessError",
    "InvalidStateError",
    "QuotaExceededError",
    "SecurityError",
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
