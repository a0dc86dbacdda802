"""A connection, as an adapter wraps its framework's."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .store import Message

__all__ = ["LOST", "Transport", "close_transport"]

LOST = (ConnectionError, TimeoutError)
"""The exceptions for a lost connection."""


class Transport(Protocol):
    """A WebSocket connection, as an adapter wraps its framework's."""

    @property
    def origin(self) -> str | None:
        """The header ``Origin`` of its handshake."""

    @property
    def close_code(self) -> int | None:
        """The code of the close frame, after :meth:`receive` has returned ``None``.

        1005 if it had none; 1006 or ``None`` without a frame.
        """

    @property
    def close_reason(self) -> str:
        """The reason of the close frame."""

    async def receive(self) -> Message | None:
        """Receives a message; ``None`` when the connection has ended. May be cancelled."""

    async def send(self, message: Message) -> None:
        """Sends a message, and waits while too much is buffered. May be cancelled.

        Raises:
            ConnectionError: The connection has ended.
        """

    async def close(self, code: int, reason: str) -> None:
        """Closes with a close frame. Raises nothing. May be cancelled."""

    def abort(self) -> None:
        """Ends the connection at once, without a close frame."""


async def close_transport(transport: Transport, code: int, reason: str, timeout: float) -> None:
    """Closes a connection, within ``timeout`` seconds."""
    try:
        async with asyncio.timeout(timeout):
            await transport.close(code, reason)
    except TimeoutError:
        transport.abort()
    except asyncio.CancelledError:
        transport.abort()
        raise
