"""Whether the runtime can suspend Python or open sockets."""

from __future__ import annotations

import js
import pyodide.ffi
from pyodide.ffi import run_sync

__all__ = ["can_run_sync", "has_sockets", "needs_suspension", "run_sync"]


def can_run_sync() -> bool:
    """Whether Python can be suspended here."""
    ask = getattr(pyodide.ffi, "can_run_sync", None)  # Pyodide 0.26.0 and 0.26.1 cannot tell.
    return ask is not None and bool(ask())


def needs_suspension() -> NotImplementedError:
    """Returns the exception for when Python cannot be suspended: why, and what to do."""
    if not hasattr(js.WebAssembly, "Suspending"):
        return NotImplementedError(
            "this engine cannot suspend Python while it waits, as it has no JSPI (Chromium 137, "
            "Firefox 153 and Node.js 25 have): use asyncio, as in 'await connect(...)'"
        )
    return NotImplementedError(
        "Python cannot be suspended here while it waits (JSPI), as it was called by JavaScript "
        "that does not wait for it, such as an event handler or runPython(): make the handler a "
        "coroutine function ('async def'), run the program with runPythonAsync(), or use asyncio"
    )


def has_sockets() -> bool:
    """Whether Python has sockets here, as in Node.js after ``pyodide.useNodeSockFS()``."""
    try:
        from pyodide_js._api import _nodeSock  # noqa: F401
    except ImportError:
        return False
    return True
