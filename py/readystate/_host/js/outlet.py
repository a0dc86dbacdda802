"""Sending many messages: batches out."""

from __future__ import annotations

from typing import Any

import js

from .sockets import send

__all__ = ["Outlet"]

_SEPARATOR = "\0"
_FEW = 16
_SHORT = 512


class Outlet:
    """Sends messages to one native socket: one, or a batch of text without a call for each."""

    __slots__ = ("_send", "native")

    def __init__(self, native: Any) -> None:
        self.native = native
        # Named once: each look-up of a JavaScript method makes a new proxy.
        self._send = native.send

    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN: only then does it send."""
        return bool(self.native.readyState == 1)

    def send(self, message: Any) -> None:
        """Sends a message.

        Raises:
            NativeError: What ``send()`` throws.
        """
        send(self._send, message)

    def send_all(self, messages: list[Any], size: int) -> None:
        """Sends messages, of ``size`` bytes in all, in this order.

        Raises:
            NativeError: What ``send()`` throws; some of the messages may have been sent.
        """
        if len(messages) >= _FEW and size <= _SHORT * len(messages):
            try:
                joined = _SEPARATOR.join(messages)
            except TypeError:  # There is binary data.
                pass
            else:
                if joined.count(_SEPARATOR) == len(messages) - 1:
                    # One long string crosses several times faster than many short ones.
                    parts = js.String.prototype.split.call(joined, _SEPARATOR)
                    parts.forEach(self._send, self.native)
                    return
        for message in messages:
            send(self._send, message)
