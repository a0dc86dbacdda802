"""Converts text, buffers and Blobs between Python and JavaScript."""

from __future__ import annotations

from typing import Any

import js
import pyodide.ffi
from pyodide.ffi import JsBuffer, to_js
from pyodide.ffi import JsProxy as NativeObject

from ...core.binary import refusal, utf8_length, view
from .errors import NativeError, converted, python_error

__all__ = [
    "NativeObject",
    "byte_length",
    "copied",
    "describe",
    "frozen",
    "is_blob",
    "is_buffer",
    "is_null",
    "options",
    "tag",
    "to_bytes",
    "to_sendable",
]

# Pyodide before 0.28 has no jsnull: JavaScript's null is None there.
_NULL = getattr(pyodide.ffi, "jsnull", None)

_BUFFERS: set[type] = set()
"""The types of proxies of buffers."""

_SENDABLE = "a str, a bytes-like object, or a JavaScript ArrayBuffer, typed array, DataView or Blob"


def options(**values: Any) -> Any:
    """Creates a JavaScript object with ``values``."""
    return to_js(values, dict_converter=js.Object.fromEntries)


def to_sendable(data: Any) -> Any:
    """Converts ``data`` for JavaScript, binary data to a copy.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, str):
        return data
    if isinstance(data, NativeObject):
        if is_blob(data) or (is_buffer(data) and tag(data) != "SharedArrayBuffer"):
            return data
        raise TypeError(
            f"send() takes {_SENDABLE}, not {describe(data)}: encode it first, as with "
            "js.JSON.stringify()"
        )
    if (memory := view(data)) is not None:
        return copied(memory)
    raise refusal(data, describe(data), _SENDABLE)


@converted
def copied(view: memoryview) -> Any:
    """Returns a new ``ArrayBuffer`` with the bytes of ``view``.

    Not a typed array: some replacements of sockets send the text of these, "1,2,3".
    """
    buffer = js.ArrayBuffer.new(view.nbytes)
    buffer.assign(view)
    return buffer


def frozen(data: Any) -> tuple[Any, int]:
    """Returns ``data`` as an immutable message, and its length in bytes.

    Binary data becomes ``bytes``; a JavaScript ``Blob`` stays. Text is counted in UTF-8.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, str):
        return data, utf8_length(data)
    if isinstance(data, bytes):
        return data, len(data)
    if (memory := view(data)) is not None:
        return memory.tobytes(), memory.nbytes
    message = to_sendable(data)
    if not is_blob(message):
        message = to_bytes(message)
    return message, byte_length(message)


def to_bytes(buffer: Any) -> bytes:
    """Returns the bytes of a JavaScript buffer.

    Raises:
        TypeError: It is detached.
    """
    try:
        data: bytes = buffer.to_bytes()
    except NativeError as error:
        raise python_error(error) from error
    return data


def byte_length(data: Any) -> int:
    """Returns the length of ``data`` in bytes, or of text in characters."""
    # The most frequent types first: isinstance() is slow for JavaScript's types.
    if isinstance(data, (str, bytes)):
        return len(data)
    if isinstance(data, NativeObject):
        return int(data.size if is_blob(data) else data.byteLength)
    return memoryview(data).nbytes


def is_buffer(value: Any) -> bool:
    """Whether ``value`` is a JavaScript ``ArrayBuffer`` or a view of one."""
    # Known by its type, as isinstance() is slow for JavaScript's types.
    if type(value) in _BUFFERS:
        return True
    if isinstance(value, NativeObject) and isinstance(value, JsBuffer):
        _BUFFERS.add(type(value))
        return True
    return False


def is_blob(value: Any) -> bool:
    """Whether ``value`` is a JavaScript ``Blob`` (a ``File`` is one)."""
    return isinstance(value, NativeObject) and tag(value) in ("Blob", "File")


def is_null(value: Any) -> bool:
    """Whether ``value`` is JavaScript's ``null`` (which is not ``None``: that is ``undefined``)."""
    return value is _NULL


def tag(value: Any) -> str:
    """Returns the class of a JavaScript value, by ``Object.prototype.toString``."""
    try:
        return str(js.Object.prototype.toString.call(value))[len("[object ") : -1]
    except NativeError:  # Not even that can be asked of a Proxy that was revoked.
        return "Object"


def describe(value: Any) -> str:
    """Returns the type of ``value``, for error messages."""
    if isinstance(value, NativeObject):
        return f"a JavaScript {tag(value)}"
    if _NULL is not None and is_null(value):
        return "JavaScript's null"
    return type(value).__name__
