"""What JavaScript throws, as Python exceptions."""

from __future__ import annotations

from typing import Any

from pyodide.ffi import JsException as NativeError

from ...exceptions import BY_NAME, DOMException, InvalidStateError

__all__ = ["NativeError", "python_error"]

_BY_ERROR_CODE = {"ERR_EVENT_RECURSION": InvalidStateError}
"""Errors for which some runtimes have names of their own, by their ``code``."""


def python_error(error: Any) -> Exception:
    """The Python exception that stands for a caught ``NativeError``.

    A :exc:`DOMException`, of the subclass that belongs to the error's ``name``, or a
    :exc:`TypeError`. To be raised ``from`` the ``NativeError``.
    """
    name, message, js_error = str(error.name), str(error.message), error.js_error
    if name == "TypeError":
        return TypeError(message)
    if name in BY_NAME:
        return BY_NAME[name](message, js_error=js_error)
    code = getattr(error, "code", 0)
    if isinstance(code, str) and code in _BY_ERROR_CODE:
        return _BY_ERROR_CODE[code](message, js_error=js_error)
    return DOMException(message, name, code=code if isinstance(code, int) else 0, js_error=js_error)
