"""What a library may ask a transport's socket."""

from __future__ import annotations

import socket
from typing import Any, Final

__all__ = ["SOCKNAME", "Addresses"]

SOCKNAME: Final = ("0.0.0.0", 0)  # noqa: S104 - what is not known, and nothing is bound to it
"""The local address, which browsers do not tell."""


class Addresses:
    """A stand-in for the transport's socket: it has two addresses, and accepts any option.

    ``anyio`` asks for the peer, and ``aiohttp`` sets TCP_NODELAY.
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
        """Does nothing, as the browser decides how to connect."""
