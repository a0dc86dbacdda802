"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # What is public in each module, its __all__, is public here.
    from .connection.client import *
    from .connection.connection import *
    from .core.backoff import *
    from .core.delivery import *
    from .core.heartbeat import *
    from .core.states import *
    from .core.stats import *
    from .dom.blob import *
    from .dom.sendable import *
    from .dom.websocket import *
    from .exceptions import *
    from .queue.queued_websocket import *
    from .queue.send_queue import *
    from .session.options import *

__version__ = "0.2.0"

_PUBLIC = {
    "connection.client": ("connect",),
    "connection.connection": ("Connection",),
    "core.backoff": ("Backoff",),
    "core.delivery": ("Delivery", "DeliveryState"),
    "core.heartbeat": ("Acks", "Heartbeat"),
    "core.stats": ("QueueStats",),
    "core.states": ("State", "StateChange", "Stats"),
    "dom.blob": ("Blob",),
    "dom.sendable": ("Sendable",),
    "dom.websocket": ("CloseEvent", "Event", "MessageEvent", "WebSocket"),
    "exceptions": (
        "ConcurrencyError",
        "ConnectionClosed",
        "ConnectionClosedError",
        "ConnectionClosedOK",
        "ConnectionFailed",
        "DOMException",
        "DOMSyntaxError",
        "InvalidAccessError",
        "InvalidStateError",
        "MessageDropped",
        "OpenTimeout",
        "QueueClosed",
        "QueueFull",
        "QuotaExceededError",
        "SecurityError",
        "SessionExpired",
    ),
    "queue.queued_websocket": ("QueuedWebSocket",),
    "queue.send_queue": ("SendQueue",),
    "session.options": ("Session",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}


if not TYPE_CHECKING:
    __all__ = sorted(_MODULE_OF)

    def __getattr__(name: str) -> Any:
        # Each module when a name of it is first asked for: a page waits while it is compiled.
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        # Once Pyodide has booted, a garbage collection is due. It would take a third of the import.
        pauses = sys.platform == "emscripten" and gc.isenabled() and not gc.get_freeze_count()
        if pauses:
            gc.disable()
        try:
            globals()[name] = value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
        finally:
            if pauses:
                # Makes all objects old, as a collection would; otherwise one would follow at once.
                gc.freeze()
                gc.unfreeze()
                gc.enable()
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
