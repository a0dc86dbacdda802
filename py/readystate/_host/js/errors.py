"""Converts JavaScript's errors to Python exceptions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from pyodide.ffi import JsException as NativeError

from ...exceptions import BY_NAME, DOMException, InvalidStateError

__all__ = ["NativeError", "converted", "python_error"]

P = ParamSpec("P")
T = TypeVar("T")

_BY_ERROR_CODE = {"ERR_EVENT_RECURSION": InvalidStateError}
"""Errors that have other names in some runtimes, by their ``code``."""


def python_error(error: Any, message: str | None = None) -> Exception:
    """Returns the Python exception for a caught ``NativeError``.

    A :exc:`DOMException`, of the subclass for the error's ``name``, or a :exc:`TypeError`. Raise it
    ``from`` the ``NativeError``.

    Args:
        message: Replaces the error's own message.
    """
    name, js_error = str(error.name), error.js_error
    if message is None:
        message = str(error.message)
    if name == "TypeError":
        return TypeError(message)
    if name in BY_NAME:
        return BY_NAME[name](message, js_error=js_error)
    code = getattr(error, "code", 0)
    if isinstance(code, str) and code in _BY_ERROR_CODE:
        return _BY_ERROR_CODE[code](message, js_error=js_error)
    return DOMException(message, name, code=code if isinstance(code, int) else 0, js_error=js_error)


def converted(function: Callable[P, T]) -> Callable[P, T]:
    """Makes ``function`` raise Python exceptions for JavaScript's errors."""

    @functools.wraps(function)
    def convert(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except NativeError as error:
            raise python_error(error) from error

    return convert
