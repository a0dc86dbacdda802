"""Bytes of binary data, UTF-8 of text and of batches, and errors for the rest. Pure logic."""

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

__all__ = ["SEPARATOR", "Buffer", "refusal", "text_in", "texts_in", "utf8", "utf8_length", "view"]

SEPARATOR = "\0"
"""Between the texts of a batch."""


def view(data: Any) -> memoryview | None:
    """Returns the bytes of ``data``, of any shape, strides and format; ``None`` if it has none.

    An array without dimensions is a number, which has no bytes to send.
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
    """Encodes ``text`` as browsers do: surrogate pairs are joined, and lone ones become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def utf8_length(text: str) -> int:
    """Returns the length of ``utf8(text)`` in bytes."""
    return len(text) if text.isascii() else len(utf8(text))


def text_in(data: Buffer) -> str | None:
    """Returns the text of which ``data`` is the UTF-8.

    ``None`` if a character was replaced, as lone surrogates are: it may have been another one.
    """
    text = str(data, "utf-8")
    return None if "\ufffd" in text else text


def texts_in(data: Buffer, count: int) -> list[str] | None:
    """Returns the ``count`` texts of which ``data`` is the UTF-8, with a NUL between each two.

    ``None`` if one of them has a NUL or a character that was replaced.
    """
    text = text_in(data)
    texts = [] if text is None else text.split(SEPARATOR)
    return texts if len(texts) == count else None


def refusal(data: Any, kind: str, takes: str = "a str or a bytes-like object") -> TypeError:
    """Returns the exception for data that cannot be sent.

    Args:
        data: The data.
        kind: The description of its type.
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
