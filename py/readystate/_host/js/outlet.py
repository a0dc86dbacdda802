"""Sending messages in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import js

from .sockets import send

__all__ = ["Outlet"]

_SEPARATOR = "\0"
_FEW = 16
_SHORT = 512


class Outlet:
    """Sends messages to one native socket, texts in batches without a call for each."""

    __slots__ = ("_send", "native")

    def __init__(self, native: Any) -> None:
        self.native = native
        # Kept: each access to a JavaScript method creates a new proxy.
        self._send = native.send

    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN, and can send."""
        state: int = self.native.readyState
        return state == 1

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            NativeError: ``send()`` throws.
        """
        if isinstance(message, str):
            self._send(message)
        else:
            send(self._send, message)

    def send_all(self, messages: Sequence[Any], size: int) -> None:
        """Sends messages, of ``size`` bytes in total, in order.

        Raises:
            NativeError: ``send()`` throws; some messages may have been sent.
        """
        if len(messages) >= _FEW and size <= _SHORT * len(messages):
            try:
                joined = _SEPARATOR.join(messages)
            except TypeError:  # There is binary data.
                pass
            else:
                if joined.count(_SEPARATOR) == len(messages) - 1:
                    # One long string is converted several times faster than many short ones.
                    parts = js.String.prototype.split.call(joined, _SEPARATOR)
                    parts.forEach(self._send, self.native)
                    return
        for message in messages:
            send(self._send, message)
