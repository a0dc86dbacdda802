"""Text that the browser writes straight into Python's memory: fast rather than plain.

What crosses as a JavaScript string is converted character by character. ``encodeInto()`` writes
UTF-8 into a ``bytearray`` natively, and Python decodes ASCII by copying it. Microseconds a message
for the crossing alone, Pyodide 314, in Chromium and Firefox (a string joined and split again, the
same through ``encode()``, here together, here one by one):

===========  ===============  ===============  ===============  ===============
messages     one string       ``encode()``     together         one by one
===========  ===============  ===============  ===============  ===============
1,000, 64 B  0.42, 0.31       0.24, 0.35       0.20, 0.23
500, 1 KiB   5.4, 6.1         2.8, 3.8         1.0, 3.0         2.9, 5.0
60, 4 KiB    21, 21           5.2, 15          4.1, 9.5         4.8, 7.0
20, 16 KiB   81, 96           45, 59           17, 48           11, 11
6, 64 KiB    320, 380         180, 230         61, 180          39, 29
===========  ===============  ===============  ===============  ===============

``encodeInto()`` asks its argument for a string: that of an object whose ``toString()`` is a native
function is made, encoded and written in one call. Loaded only when there are batches to read.
"""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import create_proxy

from ...core.binary import SEPARATOR, text_in, texts_in
from .errors import NativeError
from .values import options

__all__ = ["HeapReader"]

LONG = 4096
"""From how many bytes on one call for each message is faster than one for all."""

_PORTION = 2**16
"""About how many bytes are read at once."""


class HeapReader:
    """Reads batches of texts through one buffer, which all sockets share."""

    def __init__(self, size: int = 2**18) -> None:
        encoder = js.TextEncoder.new()
        self._encode = encoder.encode.bind(encoder)
        self._encode_into = encoder.encodeInto.bind(encoder)
        self._join = js.Array.prototype.join
        self._shift = js.Array.prototype.shift
        self._size = size
        # From here on the next character may not have had room.
        self._full = size - 3
        buffer = bytearray(size)
        self._memory = memoryview(buffer)  # While this exists, it cannot be resized, or move.
        self._proxy = create_proxy(buffer)
        self._export = self._proxy.getBuffer("u8")
        self._view = self._export.data
        self._is_refused = False

    def read(self, batch: Any, count: int, length: int) -> list[Any]:
        """Returns the texts of a JavaScript array.

        Args:
            batch: The array, of primitive strings. It is changed.
            count: How many it holds.
            length: How many bytes each has, as far as known. Decides how they are read.
        """
        if LONG <= length <= self._size // 2 and not self._is_refused:
            return self._read_each(batch, count)
        # What is read at once stays in the processor's cache. If each is several times as long as
        # expected, it still fits.
        most = max(1, min(_PORTION, self._size // 2) // (length + 1))
        if count <= most:
            return self._read_together(batch, count)
        texts: list[Any] = []
        for start in range(0, count, most):
            end = min(start + most, count)
            texts += self._read_together(batch.slice(start, end), end - start)
        return texts

    def _read_together(self, part: Any, count: int) -> list[Any]:
        part.toString = self._join.bind(part, SEPARATOR)
        written = self._write(part)
        if not written and not self._is_refused:
            self._renew()
            written = self._write(part)
        if 0 < written < self._full:
            texts = texts_in(self._memory[:written], count)
        else:
            texts = texts_in(self._encode(part).to_bytes(), count)
        return part.to_py() if texts is None else texts

    def _read_each(self, batch: Any, count: int) -> list[Any]:
        source = options()
        source.toString = self._shift.bind(batch.slice())
        texts: list[Any] = []
        for index in range(count):
            written = self._write(source)
            text = text_in(self._memory[:written]) if 0 < written < self._full else None
            if text is None:
                texts += self._read_together(batch.slice(index, index + 1), 1)
            else:
                texts.append(text)
        return texts

    def _write(self, source: Any) -> int:
        """Writes the text of ``source`` to the memory; returns how many bytes that are.

        0 if the view is detached, as each one is when WebAssembly's memory grows.
        """
        if self._is_refused:
            return 0
        try:
            written: int = self._encode_into(source, self._view).written
        except NativeError:
            # Node.js takes nothing but strings, and no browser memory that can grow in place.
            self._is_refused = True
            return 0
        return written

    def _renew(self) -> None:
        self._export.release()
        self._export = self._proxy.getBuffer("u8")
        self._view = self._export.data
