"""Receiving messages in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.handlers import report
from .native_websocket import NativeWebSocket

__all__ = ["Inbox"]


class Inbox:
    """The messages of a native socket, collected without an event for each.

    The function is called with the first one after each :meth:`arm`; :meth:`take` returns all.

    Attributes:
        is_armed: Whether the function will be called at the next message.
        failure: The message that cannot be converted: here always ``None``.
    """

    __slots__ = ("_messages", "_native", "_on_arrival", "failure", "is_armed")

    def __init__(self, native: NativeWebSocket, on_arrival: Callable[[Any], None]) -> None:
        self._native = native
        self._on_arrival = on_arrival
        self._messages: list[str | bytes] = []
        self.failure: str | None = None
        self.is_armed = False
        native.add_collector(self._collect)

    def arm(self) -> None:
        """Calls the function at the next message. Call :meth:`take` first."""
        self.is_armed = True

    def take(self) -> list[str | bytes]:
        """Returns all messages since the last call."""
        if self.is_armed or not self._messages:
            return []
        messages, self._messages = self._messages, []
        return messages

    def destroy(self) -> None:
        """Stops collecting."""
        self.is_armed = False
        self._native.remove_collector(self._collect)

    def _collect(self, message: str | bytes) -> None:
        self._messages.append(message)
        if self.is_armed:
            self.is_armed = False
            try:
                self._on_arrival(message)
            except Exception as error:
                report(f"Exception in on_arrival of {self._native!r}", error)
