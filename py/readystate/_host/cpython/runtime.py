"""What the runtime can do: suspend Python, and open sockets."""

from __future__ import annotations

from typing import Any

__all__ = ["can_run_sync", "has_sockets", "run_sync"]


def can_run_sync() -> bool:
    """Whether Python can be suspended while it waits: only Pyodide's can."""
    return False


def run_sync(awaitable: Any) -> Any:
    """Would suspend Python until ``awaitable`` is done.

    Raises:
        NotImplementedError: That cannot be done here, as :func:`can_run_sync` says.
    """
    raise NotImplementedError("only Pyodide can suspend Python while it waits")


def has_sockets() -> bool:
    """Whether Python has sockets of its own."""
    return True
