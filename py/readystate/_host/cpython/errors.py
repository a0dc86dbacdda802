"""Exceptions of native calls, which here are Python's own."""

from __future__ import annotations

__all__ = ["NativeError", "python_error"]


class NativeError(Exception):
    """Never raised: native sockets raise :exc:`DOMException` and :exc:`TypeError` themselves."""


def python_error(error: Exception, message: str | None = None) -> Exception:  # noqa: ARG001
    """Returns ``error`` itself."""
    return error
