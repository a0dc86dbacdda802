"""What native calls raise: here that is Python's own exceptions already."""

from __future__ import annotations

__all__ = ["NativeError", "python_error"]


class NativeError(Exception):
    """Never raised: native sockets raise :exc:`DOMException` and :exc:`TypeError` themselves."""


def python_error(error: Exception, message: str | None = None) -> Exception:  # noqa: ARG001
    """``error`` itself, which needs no other to stand for it."""
    return error
