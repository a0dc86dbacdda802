"""What has not left, over a transport of which the test knows what it holds."""

from __future__ import annotations

import asyncio
from typing import Any

from readystate._host.cpython.outgoing import Outgoing


class Transport(asyncio.Transport):
    """Hands on so many bytes, and holds what comes then, within so many more of TLS."""

    def __init__(self, outgoing: Outgoing, room: int, framing: int = 0) -> None:
        super().__init__()
        self._outgoing, self._room, self._framing = outgoing, room, framing
        self._held = 0

    def write(self, data: Any) -> None:
        assert self._held == 0, "it was written to though it was full"
        self._held = max(0, len(data) - self._room)
        self._room = max(0, self._room - len(data))
        if self._held:
            self._outgoing.pause()

    def hand_on(self, size: int) -> None:
        """It is rid of some of what it holds."""
        self._held -= size
        if not self._held:
            self._outgoing.resume()

    def get_write_buffer_size(self) -> int:
        return self._held and self._held + self._framing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (0, 0)

    def is_closing(self) -> bool:
        return False


async def test_what_the_transport_holds_has_not_left() -> None:
    outgoing = Outgoing(asyncio.get_running_loop())
    transport = Transport(outgoing, 700)
    outgoing.connect(transport)
    for _ in range(3):
        outgoing.put(bytes(500), 500)
    assert (outgoing.left, outgoing.unsent) == (0, 1500)
    outgoing.flush()
    assert (outgoing.left, outgoing.unsent) == (700, 800)
    transport.hand_on(400)
    assert (outgoing.left, outgoing.unsent) == (1100, 400)
    transport.hand_on(400)
    assert (outgoing.left, outgoing.unsent) == (1500, 0)


async def test_what_has_left_does_not_come_back_as_the_framing_of_tls() -> None:
    piece = 2**16
    outgoing = Outgoing(asyncio.get_running_loop())
    transport = Transport(outgoing, 16 * piece, framing=22)
    outgoing.connect(transport)
    outgoing.put(bytes(17 * piece), 17 * piece)
    for _ in range(2):
        outgoing.flush()
        assert outgoing.unsent == piece
    transport.hand_on(100)
    assert outgoing.unsent == piece - 100 + 22
