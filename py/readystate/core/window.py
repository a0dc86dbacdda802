"""A window for unconfirmed messages, which adapts to connections. Pure logic.

As in TCP, it grows with each confirmation and shrinks when a connection is lost. With too large a
window, connections that do not last would send the same messages again and again, and never have
them confirmed.
"""

from __future__ import annotations

_LEAST = 16
_LEAST_BYTES = 2**16


class SendWindow:
    """A limit of messages and bytes.

    Args:
        most: The largest number of messages.
        most_bytes: The largest number of bytes.

    Attributes:
        messages: How many messages may currently be unconfirmed.
        bytes: How many bytes may currently be unconfirmed.
    """

    __slots__ = ("_losses", "bytes", "messages", "most", "most_bytes")

    def __init__(self, most: float, most_bytes: float) -> None:
        self.most: float = most
        self.most_bytes: float = most_bytes
        self.messages: float = most
        self.bytes: float = most_bytes
        # How many consecutive connections were lost without a confirmation.
        self._losses = 0

    def is_half_full(self, count: int, total: int) -> bool:
        """Whether ``count`` unconfirmed messages of ``total`` bytes fill half of it."""
        return count * 2 >= self.messages or total * 2 >= self.bytes

    def limit(self, most: int, most_bytes: int) -> None:
        """Lowers the limits to these, if they are higher."""
        self.most = min(self.most, most)
        self.most_bytes = min(self.most_bytes, most_bytes)
        self.messages = min(self.messages, self.most)
        self.bytes = min(self.bytes, self.most_bytes)

    def grow(self, count: int, total: int) -> None:
        """Grows after ``count`` messages of ``total`` bytes were confirmed; if full, it doubles."""
        if count:
            self._losses = 0
            self.messages = min(self.messages + count, self.most)
            self.bytes = min(self.bytes + total, self.most_bytes)

    def shrink(self, count: int, total: int, *, to_one: bool = False) -> None:
        """Shrinks after a connection with ``count`` unconfirmed messages of ``total`` bytes was
        lost.

        First by half; to a single message if nothing was confirmed since the previous loss, or with
        ``to_one``. If that gets through, all others will too.
        """
        self._losses += 1
        if to_one or self._losses > 1:
            self.messages = self.bytes = 1
            return
        # If few were lost because few were sent, the window need not become that small, unless it
        # already is.
        least, least_bytes = min(_LEAST, self.messages // 2), min(_LEAST_BYTES, self.bytes // 2)
        self.messages = min(max(count // 2, least, 1), self.most)
        self.bytes = min(max(total // 2, least_bytes, 1), self.most_bytes)
