"""What is left out in MicroPython, and why: the one place that says so."""

from __future__ import annotations

_MEMORYVIEW = "MicroPython's memoryview has neither strides nor dimensions"
_ACKS = "the edition has no Acks"
_LEFT_OUT = {
    "sync: ": "the edition has no readystate.sync",
    "QueuedWebSocket: TCP is reset, text, confirmed by acks": _ACKS,
    "QueuedWebSocket: TCP is reset, binary, confirmed by acks": _ACKS,
    "a session ": "the edition has no sessions",
    "connect(): backpressure where there is some": "the edition has no WebSocketStream",
    "nothing is left in the buffer when a large": "its json takes minutes for 4 MiB of the journal",
    "send(a memoryview, strided)": _MEMORYVIEW,
    "send(a two-dimensional memoryview)": _MEMORYVIEW,
}


def why_not_in_micropython(case: str) -> str | None:
    """Returns why a case is left out, ``None`` if it is not."""
    for start, reason in _LEFT_OUT.items():
        if case.startswith(start):
            return reason
    return None
