"""What is the platform's own: Blobs and events."""

from __future__ import annotations

import sys
from typing import Any

IS_MICROPYTHON = sys.implementation.name == "micropython"
HAS_JAVASCRIPT = sys.platform in ("emscripten", "webassembly")
JAVASCRIPT = {"cpython": "it is about JavaScript"}
"""Where a case is left out, and why."""


def native_blob(text: str) -> Any:
    """A native ``Blob``."""
    if HAS_JAVASCRIPT:
        import js

        return js.Blob.new(js.Array.of(text))
    from readystate._host.cpython.values import NativeBlob

    return NativeBlob(text.encode())


def native_event(type: str) -> Any:
    """A native ``Event``."""
    if HAS_JAVASCRIPT:
        import js

        return js.Event.new(type)
    from readystate._host.cpython.events import NativeEvent

    return NativeEvent(type)
