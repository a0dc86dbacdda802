"""The bytes of binary data, the length of text, and what is neither. Pure logic."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
elif TYPE_CHECKING:
    from typing_extensions import Buffer
else:
    Buffer = bytes | bytearray | memoryview

__all__ = ["Buffer", "refusal", "utf8", "utf8_length", "view"]


def view(data: Any) -> memoryview | None:
    """The bytes of ``data``, whatever its shape, strides and format; ``None`` if it has none.

    What has no dimensions is a number, and no bytes: as which ones it is kept is nobody's business.
    """
    try:
        memory = memoryview(data)
    except TypeError:
        return None
    if memory.ndim == 0:
        return None
    if memory.format != "B" or memory.ndim != 1 or not memory.c_contiguous:
        try:
            memory = memory.cast("B")
        except TypeError:
            # Not C-contiguous, without elements, or of a format that cast() does not know.
            memory = memoryview(memory.tobytes())
    return memory


def utf8(text: str) -> bytes:
    """``text`` as browsers encode it: surrogates are joined, and single ones become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def utf8_length(text: str) -> int:
    """How many bytes ``text`` takes as UTF-8, encoded as browsers do."""
    return len(text) if text.isascii() else len(utf8(text))


def refusal(data: Any, kind: str, takes: str = "a str or a bytes-like object") -> TypeError:
    """The exception for what cannot be sent: it says what can, and what to do.

    Args:
        data: What was to be sent.
        kind: Its type, as it may be shown.
        takes: What can be sent.
    """
    return TypeError(f"send() takes {takes}, not {kind}: {_advice(data)}")


def _advice(data: Any) -> str:
    if callable(getattr(data, "to_json", None)):
        return "encode it first, as with its to_json()"
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return "encode it first, as with json.dumps(dataclasses.asdict(...))"
    advice = "encode it first, as with json.dumps()"
    if callable(getattr(data, "tobytes", None)):
        return f"{advice}, or send its .tobytes()"
    try:
        memoryview(data)
    except TypeError:
        return advice
    return f"{advice}, or send its bytes(), as they are in memory"
