"""Ports that nobody takes while their server is away."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_FIRST = 15_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(chance: random.Random) -> int:
    """A free port of loopback, below those that the system gives to clients.

    One of those could connect to itself while the server is away, and keep its port.
    """
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = chance.randrange(_FIRST, end)
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
