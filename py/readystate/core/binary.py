"""The bytes of binary data, and the length of text. Pure logic."""

from __future__ import annotations

from typing import Any


def view(data: Any) -> memoryview | None:
    """The bytes of ``data``, whatever its shape, strides and format; ``None`` if it has none."""
    try:
        memory = memoryview(data)
    except TypeError:
        return None
    if memory.format != "B" or memory.ndim != 1 or not memory.c_contiguous:
        try:
            memory = memory.cast("B")
        except TypeError:
            # Not C-contiguous, without elements, or of a format that cast() does not know.
            memory = memoryview(memory.tobytes())
    return memory


def utf8_length(text: str) -> int:
    """How many bytes ``text`` takes as UTF-8, encoded as browsers do."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        # Pairs of surrogates are joined, and single ones become U+FFFD.
        return len(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode())
