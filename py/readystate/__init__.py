"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

from .blob import Blob
from .events import CloseEvent, Event, MessageEvent
from .exceptions import (
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    InvalidStateError,
    QuotaExceededError,
    SecurityError,
)
from .websocket import WebSocket

__all__ = [
    "Blob",
    "CloseEvent",
    "DOMException",
    "DOMSyntaxError",
    "Event",
    "InvalidAccessError",
    "InvalidStateError",
    "MessageEvent",
    "QuotaExceededError",
    "SecurityError",
    "WebSocket",
]

__version__ = "0.1.0"
