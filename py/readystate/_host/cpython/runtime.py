"""Whether the runtime can suspend Python or open sockets."""

from __future__ import annotations

from typing import Any

__all__ = ["can_run_sync", "has_sockets", "needs_suspension", "run_sync"]


def can_run_sync() -> bool:
    """Whether Python can be suspended: only in Pyodide."""
    return False


def run_sync(awaitable: Any) -> Any:  # noqa: ARG001 - as the other adapter's
    """Not available.

    Raises:
        NotImplementedError: Always, see :func:`can_run_sync`.
    """
    raise needs_suspension()


def needs_suspension() -> NotImplementedError:
    """Returns the exception for when Python cannot be suspended."""
    return NotImplementedError("only Pyodide can suspend Python while it waits")


def has_sockets() -> bool:
    """Whether Python has sockets of its own."""
    return True
