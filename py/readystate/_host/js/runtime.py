"""Whether the runtime can suspend Python or open sockets."""

from __future__ import annotations

from pyodide.ffi import run_sync

try:
    from pyodide.ffi import can_run_sync
except ImportError:  # Pyodide 0.26.0 and 0.26.1 cannot tell.

    def can_run_sync() -> bool:
        return False


__all__ = ["can_run_sync", "has_sockets", "run_sync"]


def has_sockets() -> bool:
    """Whether Python has sockets here, as in Node.js after ``pyodide.useNodeSockFS()``."""
    try:
        from pyodide_js._api import _nodeSock  # noqa: F401
    except ImportError:
        return False
    return True
