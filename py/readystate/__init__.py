"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

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
)
from .heartbeat import Acks, Heartbeat
from .outbox import QueueStats
from .queued_websocket import QueuedWebSocket, State, StateChange, Stats
from .send_queue import SendQueue
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
    "State",
    "StateChange",
    "Stats",
    "WebSocket",
    "connect",
]

__version__ = "0.1.0"
