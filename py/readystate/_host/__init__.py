"""The port to the platform, which alone knows where Python runs.

One of two adapters, with the same modules and names, is chosen at import: :mod:`.js` on Pyodide,
over the browser's ``WebSocket``, or :mod:`.cpython`, over the ``websockets`` library.

===============  ==================================================================================
``errors``       ``NativeError``, raised by native calls; ``python_error()`` converts it
``values``       converts text, binary data and Blobs
``sockets``      creates native sockets; sends one message; closes
``listeners``    ``NativeListener``: one function, called with events
``events``       creates events
``inbox``        ``Inbox``: collects messages in batches
``outlet``       ``Outlet``: sends messages in batches
``timers``       ``Timer``: can be cancelled, and then holds nothing; others for hidden tabs
``page``         ``PageEvents``: online, visible, frozen, back; ``save()`` and ``restore()``
``permissions``  the visitor's, for connections to this machine and the local network
``streams``      ``WebSocketStream``, where the browser has it
``runtime``      whether Python can be suspended, and whether it has sockets
``runner``       ``Runner``: runs coroutines for code that blocks
===============  ==================================================================================
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cpython.errors import *
    from .cpython.events import *
    from .cpython.inbox import *
    from .cpython.listeners import *
    from .cpython.outlet import *
    from .cpython.page import *
    from .cpython.permissions import *
    from .cpython.runner import *
    from .cpython.runtime import *
    from .cpython.sockets import *
    from .cpython.streams import *
    from .cpython.timers import *
    from .cpython.values import *

ADAPTER = "js" if sys.platform == "emscripten" else "cpython"

_MODULES = {
    "errors": ("NativeError", "python_error"),
    "events": ("new_close_event",),
    "inbox": ("Inbox",),
    "listeners": ("NativeListener",),
    "outlet": ("Outlet",),
    "page": ("PageEvents", "restore", "save"),
    "permissions": ("local_permission",),
    "runner": ("Runner",),
    "runtime": ("can_run_sync", "has_sockets", "needs_suspension", "run_sync"),
    "sockets": (
        "buffered_amount",
        "close",
        "has_websocket_stream",
        "new_websocket",
        "require_websocket",
        "send",
    ),
    "streams": ("ReadAhead", "new_stream"),
    "timers": ("Timer", "UnthrottledTimer", "sleep_unthrottled", "timeout_after", "wait"),
    "values": (
        "NativeObject",
        "byte_length",
        "describe",
        "frozen",
        "is_blob",
        "is_buffer",
        "is_null",
        "options",
        "tag",
        "to_bytes",
        "to_sendable",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Each module is imported on first use, as a page waits while it is compiled.
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        try:
            module = import_module(f".{ADAPTER}.{_MODULE_OF[name]}", __name__)
        except AttributeError as error:
            # As it is, an import of the name would say no more than that there is none.
            raise ImportError(f"{error}, which {__name__}.{ADAPTER} needs") from error
        globals()[name] = value = getattr(module, name)
        return value
