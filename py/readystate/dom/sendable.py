"""The types that can be sent, and their conversion."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

from .._host import frozen, is_blob
from ..core.binary import Buffer, utf8
from .blob import Blob

__all__ = ["Sendable"]


@runtime_checkable
class JavaScriptObject(Protocol):
    """A JavaScript object: Pyodide's ``JsProxy``."""

    @property
    def js_id(self) -> int: ...
    @property
    def typeof(self) -> str: ...


Sendable: TypeAlias = str | Buffer | Blob | JavaScriptObject
"""What each ``send()`` takes: a ``str``, an object with the buffer protocol, a :class:`Blob`, or a
JavaScript ``ArrayBuffer``, typed array, ``DataView`` or ``Blob``.

A buffer is sent as its bytes in memory, without the shape and type of its items.
"""


def native(data: Any) -> Any:
    """Returns ``data`` as the port takes it."""
    return data.js_blob if isinstance(data, Blob) else data


def as_frame(data: Any, text: bool | None) -> Any:
    """Converts ``data`` to the kind of frame to send.

    Args:
        text: ``True`` sends binary data, which must be UTF-8, as text; ``False`` text as binary.

    Raises:
        TypeError: It is neither text nor binary, or a Blob to be sent as text.
        UnicodeDecodeError: It is not UTF-8.
    """
    data = native(data)
    if text is None or isinstance(data, str) is text:
        return data
    if isinstance(data, str):
        return utf8(data)
    if is_blob(data):
        raise TypeError("a Blob cannot be sent as text: send await blob.text() instead")
    return frozen(data)[0].decode()
