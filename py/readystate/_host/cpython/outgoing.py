"""Writes data in pieces, and counts what has not left."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Outgoing"]

_PIECE = 2**16
_PIECES_A_TURN = 16


class Outgoing:
    """Writes to a transport once per turn of the event loop.

    So many small messages cost few system calls, and the transport never buffers more than a piece.
    It calls :meth:`pause` when it takes no more, and :meth:`resume` when it is empty.
    """

    __slots__ = (
        "_ends",
        "_given",
        "_handle",
        "_is_paused",
        "_last",
        "_left",
        "_loop",
        "_put",
        "_transport",
        "_unsent",
        "_waiting",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._handle: asyncio.Handle | None = None
        self._is_paused = False
        self._waiting: deque[bytes | memoryview] = deque()
        # How many bytes were put in, how many were written to the transport, and the most that it
        # may still buffer of these.
        self._put = self._given = self._last = self._left = 0
        # For each message that has not left: its end, and its length with and without framing.
        self._ends: deque[tuple[int, int, int]] = deque()
        self._unsent = 0

    def connect(self, transport: asyncio.Transport) -> None:
        """Writes to ``transport`` from now on."""
        # A TLS transport with a limit of 0 never calls resume().
        is_tls = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=int(is_tls), low=0)
        self._transport = transport

    def put(self, frame: bytes, size: int | None = None) -> None:
        """Adds a frame; with ``size``, it is a message of that many bytes."""
        self._put += len(frame)
        self._waiting.append(frame)
        if size is not None:
            self._ends.append((self._put, len(frame), size))
            self._unsent += size
        self._schedule()

    @property
    def left(self) -> int:
        """How many bytes have left, with framing; never fewer than before."""
        transport = self._transport
        held = 0
        if self._is_paused and transport is not None:
            # One that is closing no longer tells what it held; TLS counts its own framing too.
            held = self._last if transport.is_closing() else transport.get_write_buffer_size()
        self._left = max(self._left, self._given - held)
        return self._left

    @property
    def unsent(self) -> int:
        """How many bytes of messages have not left, without framing."""
        left = self._forget_sent()
        if not self._ends:
            return self._unsent
        end, length, size = self._ends[0]
        return self._unsent - size * max(0, left - end + length) // length

    def flush(self) -> None:
        """Writes what the transport takes."""
        self._handle = None
        transport = self._transport
        if transport is None:
            return
        for _ in range(_PIECES_A_TURN):
            if not self._waiting or self._is_paused or transport.is_closing():
                break
            piece = self._next_piece()
            transport.write(piece)
            self._last = max(len(piece), transport.get_write_buffer_size())
            if not transport.is_closing():  # else it has failed, and dropped the piece
                self._given += len(piece)
        self._forget_sent()
        if not transport.is_closing():
            self._schedule()

    def pause(self) -> None:
        """Called when the transport takes no more."""
        self._is_paused = True

    def resume(self) -> None:
        """Called when the transport is empty."""
        self._is_paused = False
        # Later: if a write fails in this call, asyncio ends the connection twice.
        self._schedule()

    def stop(self) -> None:
        """Stops writing."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._waiting.clear()

    def _schedule(self) -> None:
        if self._waiting and self._handle is None and not self._is_paused:
            self._handle = self._loop.call_soon(self.flush)

    def _forget_sent(self) -> int:
        """Forgets the messages that have left; returns ``left``."""
        left, ends = self.left, self._ends
        while ends and ends[0][0] <= left:
            self._unsent -= ends.popleft()[2]
        return left

    def _next_piece(self) -> bytes | memoryview:
        waiting = self._waiting
        first = waiting.popleft()
        if len(first) > _PIECE:
            rest = memoryview(first)
            waiting.appendleft(rest[_PIECE:])
            return rest[:_PIECE]
        parts = [first]
        size = len(first)
        while waiting and size + len(waiting[0]) <= _PIECE:
            parts.append(waiting.popleft())
            size += len(parts[-1])
        return b"".join(parts) if len(parts) > 1 else first
