"""What a library may ask of a transport's socket."""

from __future__ import annotations

import socket
from typing import Any, Final

__all__ = ["SOCKNAME", "Addresses"]

SOCKNAME: Final = ("0.0.0.0", 0)  # noqa: S104 - what is not known, and nothing is bound to it
"""The local address: no browser tells."""


class Addresses:
    """Stands for the socket that there is not: it has two addresses, and takes any option.

    ``anyio`` asks it who is at the other end, and ``aiohttp`` has it send without delay.
    """

    type: Final = socket.SOCK_STREAM
    proto: Final = socket.IPPROTO_TCP

    def __init__(self, peername: tuple[Any, ...]) -> None:
        self._peername = peername
        self.family = socket.AF_INET6 if ":" in str(peername[0]) else socket.AF_INET

    def getpeername(self) -> tuple[Any, ...]:
        return self._peername

    def getsockname(self) -> tuple[str, int]:
        return SOCKNAME

    def setsockopt(self, *_: Any) -> None:
        """Does nothing: how it connects is the browser's to decide."""
