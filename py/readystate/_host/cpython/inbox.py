"""Collecting the messages that arrive: batches in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.handlers import report
from .native_websocket import NativeWebSocket

__all__ = ["Inbox"]


class Inbox:
    """The messages of a native socket, collected without an event for each.

    The function learns only of the first one after each :meth:`arm`, and :meth:`take` returns all
    that are there.

    Attributes:
        is_armed: Whether the function will be called at the next message.
        failure: What has arrived that cannot be converted: here, nothing ever.
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
        """Has the function called at the next message; :meth:`take` has to come first."""
        self.is_armed = True

    def take(self) -> list[str | bytes]:
        """All messages that have arrived since the last call."""
        if self.is_armed or not self._messages:
            return []
        messages, self._messages = self._messages, []
        return messages

    def destroy(self) -> None:
        """Ceases to collect."""
        self.is_armed = False
        self._native.remove_collector(self._collect)

    def _collect(self, message: str | bytes) -> None:
        self._messages.append(message)
        if self.is_armed:
            self.is_armed = False
            try:
                self._on_arrival(message)
            except Exception as error:
                report(f"Exception at an arrival over {self._native!r}", error)
