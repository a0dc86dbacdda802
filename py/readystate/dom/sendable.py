"""What can be sent, as types and as values."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

from .._host import frozen, is_blob
from ..core.binary import Buffer, utf8
from .blob import Blob

__all__ = ["Sendable"]


@runtime_checkable
class JavaScriptObject(Protocol):
    """What Pyodide's ``JsProxy`` has: an object of JavaScript's."""

    @property
    def js_id(self) -> int: ...
    @property
    def typeof(self) -> str: ...


Sendable: TypeAlias = str | Buffer | Blob | JavaScriptObject
"""What all ``send()`` take: text, anything with the buffer protocol, a :class:`Blob`, and of
JavaScript's objects an ``ArrayBuffer``, typed array, ``DataView`` or ``Blob``.

Of what has the buffer protocol the bytes are sent, as they are in memory, whatever its items are:
``array("d")`` and NumPy's arrays go without their shape and type.
"""


def native(data: Any) -> Any:
    """``data`` as the port takes it."""
    return data.js_blob if isinstance(data, Blob) else data


def as_frame(data: Any, text: bool | None) -> Any:
    """``data`` as what it is to be sent as.

    Args:
        text: ``True``: binary, which has to be UTF-8, as text; ``False``: text as binary.

    Raises:
        TypeError: It is neither text nor binary, or a Blob that would have to be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    data = native(data)
    if text is None or isinstance(data, str) is text:
        return data
    if isinstance(data, str):
        return utf8(data)
    if is_blob(data):
        raise TypeError("a Blob cannot be sent as text: send its text, await blob.text()")
    return frozen(data)[0].decode()
