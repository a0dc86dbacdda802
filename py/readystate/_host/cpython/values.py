"""Converts text, bytes, buffers and Blobs."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.binary import refusal, utf8_length, view

__all__ = [
    "NativeBlob",
    "NativeBuffer",
    "NativeObject",
    "byte_length",
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


class NativeObject:
    """The equivalent of a browser's object.

    Attributes:
        tag: The name of its class in browsers.
    """

    __slots__ = ()

    tag: ClassVar[str] = "Object"


class NativeBuffer(NativeObject):
    """An ``ArrayBuffer``."""

    __slots__ = ("_data",)

    tag = "ArrayBuffer"

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    @property
    def byteLength(self) -> int:  # noqa: N802
        return len(self._data)

    def to_bytes(self) -> bytes:
        return self._data


class NativeBlob(NativeObject):
    """A ``Blob``, here in memory."""

    __slots__ = ("_data", "type")

    tag = "Blob"

    def __init__(self, data: bytes = b"", type: str = "") -> None:
        self._data = data
        self.type = type

    @property
    def size(self) -> int:
        return len(self._data)

    async def arrayBuffer(self) -> NativeBuffer:  # noqa: N802
        return NativeBuffer(self._data)

    async def text(self) -> str:
        """Decodes it as UTF-8, with U+FFFD for invalid bytes, and without a byte order mark."""
        return self._data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")

    def to_bytes(self) -> bytes:
        return self._data


def options(**values: Any) -> Any:
    """Returns the options of a native call."""
    return values


def to_sendable(data: Any) -> Any:
    """Converts ``data`` for a native socket, binary data to a copy.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, (str, bytes, NativeBlob, NativeBuffer)):
        return data
    memory = view(data)
    if memory is None:
        raise refusal(data, describe(data), "a str, a bytes-like object or a Blob")
    return memory.tobytes()


def frozen(data: Any) -> tuple[Any, int]:
    """Returns ``data`` as an immutable message, and its length in bytes.

    Binary data becomes ``bytes``; a native ``Blob`` stays. Text is counted in UTF-8.

    Raises:
        TypeError: ``data`` is neither text nor binary.
    """
    if isinstance(data, str):
        return data, utf8_length(data)
    message = to_sendable(data)
    if isinstance(message, NativeBuffer):
        message = message.to_bytes()
    return message, byte_length(message)


def to_bytes(buffer: NativeBuffer) -> bytes:
    """Returns the bytes of a native buffer."""
    return buffer.to_bytes()


def byte_length(data: Any) -> int:
    """Returns the length of ``data`` in bytes, or of text in characters."""
    if isinstance(data, (str, bytes)):
        return len(data)
    if isinstance(data, NativeBlob):
        return data.size
    if isinstance(data, NativeBuffer):
        return data.byteLength
    return memoryview(data).nbytes


def is_buffer(value: Any) -> bool:
    """Whether ``value`` is a native ``ArrayBuffer``."""
    return isinstance(value, NativeBuffer)


def is_blob(value: Any) -> bool:
    """Whether ``value`` is a native ``Blob``."""
    return isinstance(value, NativeBlob)


def is_null(value: Any) -> bool:
    """Whether ``value`` is ``None``, the equivalent of JavaScript's ``null``."""
    return value is None


def tag(value: Any) -> str:
    """Returns the class of a native value, by its name in browsers."""
    return value.tag if isinstance(value, NativeObject) else type(value).__name__


def describe(value: Any) -> str:
    """Returns the type of ``value``, for error messages."""
    if isinstance(value, NativeObject):
        return f"a native {value.tag}"
    return type(value).__name__
