"""The WebSocket client for MicroPython in the browser (PyScript's ``type="mpy"``)."""

__version__ = "0.2.0"

_PUBLIC = {
    "connection": ("Backoff", "Connection", "connect"),
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
    ),
    "outbox": ("Delivery", "DeliveryState", "QueueStats"),
    "queued_websocket": ("Heartbeat", "QueuedWebSocket", "State", "StateChange", "Stats"),
    "send_queue": ("SendQueue",),
    "websocket": ("Blob", "CloseEvent", "Event", "MessageEvent", "WebSocket"),
}


def __getattr__(name):
    # Each module when a name of it is first asked for: a page waits while it is compiled.
    for module, names in _PUBLIC.items():
        if name in names:
            found = getattr(__import__(f"{__name__}.{module}", None, None, (name,)), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
