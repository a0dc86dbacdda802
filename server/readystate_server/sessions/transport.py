"""A connection, as sessions see it: what an adapter makes of its framework's."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .store import Message

__all__ = ["LOST", "Transport", "close_transport"]

LOST = (ConnectionError, TimeoutError)
"""What says that a connection has ended."""


class Transport(Protocol):
    """A WebSocket connection, as an adapter makes it of a framework's."""

    @property
    def origin(self) -> str | None:
        """The header ``Origin`` of its handshake."""

    @property
    def close_code(self) -> int | None:
        """Of the close frame, once :meth:`receive` has returned ``None``.

        1005 if that had no code; 1006 or ``None`` if there was no frame.
        """

    @property
    def close_reason(self) -> str:
        """Of the close frame."""

    async def receive(self) -> Message | None:
        """The next message; ``None`` when the connection has ended. It may be cancelled."""

    async def send(self, message: Message) -> None:
        """Sends a message, and waits while too much is on its way. It may be cancelled.

        Raises:
            ConnectionError: The connection has ended.
        """

    async def close(self, code: int, reason: str) -> None:
        """Closes with a close frame, and raises nothing. It may be cancelled."""

    def abort(self) -> None:
        """Lets go of the connection at once, without a close frame."""


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
