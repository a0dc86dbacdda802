"""Acknowledgements: the numbers with which messages begin, gathered and told to their sender."""

import asyncio
import json

from .peer import Peer

MAX_DIGITS = 15
"""Of a number in text: JSON holds it exactly in every language."""
BINARY_SIZE = 4
"""Bytes of a number in a binary message."""


class Acknowledgements:
    """Tells a peer the numbers of its messages, those of one turn of the event loop at once."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._numbers: list[int] = []

    def add(self, message: str | bytes) -> None:
        """Acknowledge `message` at the end of this turn, if it begins with a number."""
        number = number_of(message)
        if number is None:
            return
        if not self._numbers:
            asyncio.get_running_loop().call_soon(self._send)
        self._numbers.append(number)

    def forget(self) -> None:
        """Leave unsent what has been gathered."""
        self._numbers.clear()

    def _send(self) -> None:
        if self._numbers:
            self._peer.post(json.dumps({"ack": self._numbers}))
            self._numbers.clear()


def number_of(message: str | bytes) -> int | None:
    """Return the number with which `message` begins, None if there is none."""
    if isinstance(message, str):
        digits = message[: MAX_DIGITS + 1].partition(" ")[0]
        valid = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
        return int(digits) if valid else None
    return int.from_bytes(message[:BINARY_SIZE], "big") if len(message) >= BINARY_SIZE else None
