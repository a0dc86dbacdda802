"""What can be sent, and what has arrived: text, bytes, buffers, Blobs."""

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
    """What stands for an object of the browser's.

    Attributes:
        tag: The name of its class there.
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
    """A ``Blob``, which is held in memory here."""

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
        """The text that it is as UTF-8, with U+FFFD for what is not, and without a mark."""
        return self._data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")

    def to_bytes(self) -> bytes:
        return self._data


def options(**values: Any) -> Any:
    """The options of a native call."""
    return values


def to_sendable(data: Any) -> Any:
    """``data`` as a native socket takes it: binary as a copy of its own.

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
    """``data`` as a message that nobody can change any more, and its length in bytes.

    Binary becomes ``bytes``, a native ``Blob`` stays as it is; text is counted in UTF-8.

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
    """The bytes of a native buffer."""
    return buffer.to_bytes()


def byte_length(data: Any) -> int:
    """How long text (in characters), binary, or a native buffer or ``Blob`` is, in bytes."""
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
    """Whether ``value`` is what stands for JavaScript's ``null``: ``None``."""
    return value is None


def tag(value: Any) -> str:
    """The class of a native value, as the browser calls it."""
    return value.tag if isinstance(value, NativeObject) else type(value).__name__


def describe(value: Any) -> str:
    """The type of ``value``, for an error message."""
    if isinstance(value, NativeObject):
        return f"a native {value.tag}"
    return type(value).__name__
