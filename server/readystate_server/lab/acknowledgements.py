"""Acknowledgements of messages that start with a number."""

import asyncio
import json

from .peer import Peer

MAX_DIGITS = 15
"""Digits of a number in a text: JSON represents it exactly in every language."""
BINARY_SIZE = 4
"""Bytes of a number in a binary message."""


class Acknowledgements:
    """Sends a peer the numbers of its messages, once per turn of the event loop."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._numbers: list[int] = []

    def add(self, message: str | bytes) -> None:
        """Acknowledge `message` at the end of this turn, if it starts with a number."""
        number = number_of(message)
        if number is None:
            return
        if not self._numbers:
            asyncio.get_running_loop().call_soon(self._send)
        self._numbers.append(number)

    def forget(self) -> None:
        """Discard what has not been sent."""
        self._numbers.clear()

    def _send(self) -> None:
        if self._numbers:
            self._peer.post(json.dumps({"ack": self._numbers}))
            self._numbers.clear()


def number_of(message: str | bytes) -> int | None:
    """Return the number at the start of `message`, or None."""
    if isinstance(message, str):
        digits = message[: MAX_DIGITS + 1].partition(" ")[0]
        valid = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
        return int(digits) if valid else None
    return int.from_bytes(message[:BINARY_SIZE], "big") if len(message) >= BINARY_SIZE else None
