"""Binary data that the browser keeps outside Python's memory."""

from __future__ import annotations

import builtins
from typing import Any

from .._host import NativeError, python_error

__all__ = ["Blob"]


class Blob:
    """A JavaScript ``Blob``, as which binary messages arrive by default.

    https://w3c.github.io/FileAPI/#blob-section

    Attributes:
        js_blob: The native object.
    """

    __slots__ = ("js_blob",)

    def __init__(self, js_blob: Any) -> None:
        self.js_blob: Any = js_blob

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return int(self.js_blob.size)

    @property
    def type(self) -> str:
        """Its MIME type; ``""`` for a message."""
        return str(self.js_blob.type)

    async def bytes(self) -> builtins.bytes:
        """Reads all of it.

        Raises:
            DOMException: The browser cannot read it.
        """
        try:
            buffer = await self.js_blob.arrayBuffer()
        except NativeError as error:
            raise python_error(error) from error
        data: builtins.bytes = buffer.to_bytes()
        return data

    async def text(self) -> str:
        """Reads all of it as UTF-8, with U+FFFD for invalid bytes.

        Raises:
            DOMException: The browser cannot read it.
        """
        try:
            return str(await self.js_blob.text())
        except NativeError as error:
            raise python_error(error) from error

    def __repr__(self) -> str:
        return f"<Blob of {self.size} bytes>"
