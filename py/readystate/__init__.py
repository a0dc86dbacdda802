"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backoff import Backoff
    from .blob import Blob
    from .client import connect
    from .connection import Connection
    from .delivery import Delivery, DeliveryState
    from .events import CloseEvent, Event, MessageEvent
    from .exceptions import (
        ConcurrencyError,
        ConnectionClosed,
        ConnectionClosedError,
        ConnectionClosedOK,
        ConnectionFailed,
        DOMException,
        DOMSyntaxError,
        InvalidAccessError,
        InvalidStateError,
        MessageDropped,
        OpenTimeout,
        QueueClosed,
        QueueFull,
        QuotaExceededError,
        SecurityError,
        SessionExpired,
    )
    from .heartbeat import Acks, Heartbeat
    from .outbox import QueueStats
    from .queued_websocket import QueuedWebSocket
    from .send_queue import SendQueue
    from .session.options import Session
    from .states import State, StateChange, Stats
    from .websocket import WebSocket

__all__ = [
    "Acks",
    "Backoff",
    "Blob",
    "CloseEvent",
    "ConcurrencyError",
    "Connection",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "ConnectionFailed",
    "DOMException",
    "DOMSyntaxError",
    "Delivery",
    "DeliveryState",
    "Event",
    "Heartbeat",
    "InvalidAccessError",
    "InvalidStateError",
    "MessageDropped",
    "MessageEvent",
    "OpenTimeout",
    "QueueClosed",
    "QueueFull",
    "QueueStats",
    "QueuedWebSocket",
    "QuotaExceededError",
    "SecurityError",
    "SendQueue",
    "Session",
    "SessionExpired",
    "State",
    "StateChange",
    "Stats",
    "WebSocket",
    "connect",
]

__version__ = "0.1.0"

_MODULES = {
    "Acks": "heartbeat",
    "Backoff": "backoff",
    "Blob": "blob",
    "CloseEvent": "events",
    "ConcurrencyError": "exceptions",
    "Connection": "connection",
    "ConnectionClosed": "exceptions",
    "ConnectionClosedError": "exceptions",
    "ConnectionClosedOK": "exceptions",
    "ConnectionFailed": "exceptions",
    "DOMException": "exceptions",
    "DOMSyntaxError": "exceptions",
    "Delivery": "delivery",
    "DeliveryState": "delivery",
    "Event": "events",
    "Heartbeat": "heartbeat",
    "InvalidAccessError": "exceptions",
    "InvalidStateError": "exceptions",
    "MessageDropped": "exceptions",
    "MessageEvent": "events",
    "OpenTimeout": "exceptions",
    "QueueClosed": "exceptions",
    "QueueFull": "exceptions",
    "QueueStats": "outbox",
    "QueuedWebSocket": "queued_websocket",
    "QuotaExceededError": "exceptions",
    "SecurityError": "exceptions",
    "SendQueue": "send_queue",
    "Session": "session.options",
    "SessionExpired": "exceptions",
    "State": "states",
    "StateChange": "states",
    "Stats": "states",
    "WebSocket": "websocket",
    "connect": "client",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Each module when a name of it is first asked for: a page waits while it is compiled.
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
