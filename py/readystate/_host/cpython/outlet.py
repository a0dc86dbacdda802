"""Sending messages in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .native_websocket import NativeWebSocket

__all__ = ["Outlet"]


class Outlet:
    """Sends messages to one native socket."""

    __slots__ = ("native",)

    def __init__(self, native: NativeWebSocket) -> None:
        self.native: NativeWebSocket = native

    @property
    def is_open(self) -> bool:
        """Whether the socket is OPEN, and can send."""
        return self.native.readyState == NativeWebSocket.OPEN

    def send(self, message: Any) -> None:
        """Sends a message."""
        self.native.send(message)

    def send_all(self, messages: Sequence[Any], size: int) -> None:  # noqa: ARG002 - the port's
        """Sends messages, of ``size`` bytes in total, in order."""
        send = self.native.send
        for message in messages:
            send(message)
