"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

from .backoff import Backoff
from .blob import Blob
from .client import connect
from .connection import Connection
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
    OpenTimeout,
    QuotaExceededError,
    SecurityError,
)
from .websocket import WebSocket

__all__ = [
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
    "Event",
    "InvalidAccessError",
    "InvalidStateError",
    "MessageEvent",
    "OpenTimeout",
    "QuotaExceededError",
    "SecurityError",
    "WebSocket",
    "connect",
]

__version__ = "0.1.0"
