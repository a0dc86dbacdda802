"""How much may be sent and not confirmed, which depends on how connections have fared. Pure logic.

As in TCP: what is in use of it grows with each confirmation, and shrinks when a connection is lost.
Over connections that do not last, a window that is too large would be sent again and again, and
never be confirmed.
"""

from __future__ import annotations

_LEAST = 16
_LEAST_BYTES = 2**16


class SendWindow:
    """A window of messages, and of their bytes.

    Args:
        most: How many messages it may hold at most.
        most_bytes: How much of them, in bytes.

    Attributes:
        messages: How many messages may be unconfirmed now.
        bytes: How much of them, in bytes.
    """

    __slots__ = ("_losses", "bytes", "messages", "most", "most_bytes")

    def __init__(self, most: float, most_bytes: float) -> None:
        self.most: float = most
        self.most_bytes: float = most_bytes
        self.messages: float = most
        self.bytes: float = most_bytes
        # How many connections were lost in a row over which nothing was confirmed.
        self._losses = 0

    def is_half_full(self, count: int, total: int) -> bool:
        """Whether ``count`` unconfirmed messages of ``total`` bytes fill half of it."""
        return count * 2 >= self.messages or total * 2 >= self.bytes

    def limit(self, most: int, most_bytes: int) -> None:
        """It may hold no more than this either."""
        self.most = min(self.most, most)
        self.most_bytes = min(self.most_bytes, most_bytes)
        self.messages = min(self.messages, self.most)
        self.bytes = min(self.bytes, self.most_bytes)

    def grow(self, count: int, total: int) -> None:
        """``count`` messages of ``total`` bytes were confirmed: a window that is full doubles."""
        if count:
            self._losses = 0
            self.messages = min(self.messages + count, self.most)
            self.bytes = min(self.bytes + total, self.most_bytes)

    def shrink(self, count: int, total: int, *, to_one: bool = False) -> None:
        """A connection was lost, and with it ``count`` unconfirmed messages of ``total`` bytes.

        The first time by half. If nothing has been confirmed since the loss before, or ``to_one``
        is set, to a single message: if that and a request for its confirmation get through, all
        others will too.
        """
        self._losses += 1
        if to_one or self._losses > 1:
            self.messages = self.bytes = 1
            return
        # Few were lost if few were there, which does not tell that fewer would get through; but
        # where the window is small already, that was found out before.
        least, least_bytes = min(_LEAST, self.messages // 2), min(_LEAST_BYTES, self.bytes // 2)
        self.messages = min(max(count // 2, least, 1), self.most)
        self.bytes = min(max(total // 2, least_bytes, 1), self.most_bytes)
