"""A network namespace of the run's own, behind a cable that can be pulled: packets are dropped.

Nothing answers while it is, so that both ends of a connection hear nothing, not even an error. The
namespace has no name: it ends with the run, however that ends. It takes root, and ``ip`` of
iproute2.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

_CLONE_NEWNET = 0x40000000
_BACKLOG = 2048
_COMMAND = 10.0
"""How long a command of ``ip`` may take, in seconds."""
_BLOCKS = 2**15
"""Networks of four addresses in 198.18.0.0/15, which is for tests (RFC 2544)."""


class Namespace:
    """Two addresses with a cable between them; what listens behind it is of this process.

    Raises:
        OSError: There can be none here, without root or without ``ip``.
    """

    def __init__(self) -> None:
        program = shutil.which("ip")
        if sys.platform != "linux" or program is None:
            raise OSError("network namespaces need Linux, and ip of iproute2")
        self._program = program
        pid = os.getpid()
        block = 4 * (pid % _BLOCKS)
        self._near, self.address = (
            f"198.{18 + (block >> 16)}.{block >> 8 & 255}.{(block & 255) + last}" for last in (1, 2)
        )
        self._names = f"near{pid % 10**6}", f"far{pid % 10**6}"
        # One thread lives in the namespace, and keeps it.
        self._inside = ThreadPoolExecutor(1, initializer=_enter)
        try:
            self._build(self._inside.submit(threading.get_native_id).result())
        except Exception as error:
            self._inside.shutdown()
            raise OSError(f"there is no network namespace: {error}") from error

    def listen(self, port: int) -> socket.socket:
        """Returns a socket that listens at a port of :attr:`address`."""
        at = (self.address, port)
        return self._inside.submit(socket.create_server, at, backlog=_BACKLOG).result()

    async def cut(self) -> None:
        """Drops all packets, in both directions."""
        await self._link("down")

    async def mend(self) -> None:
        """Lets them through again."""
        await self._link("up")

    def close(self) -> None:
        """Ends the namespace, as soon as its sockets are closed."""
        self._inside.shutdown()

    def _build(self, thread: int) -> None:
        near, far = self._names
        self._ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(thread))
        self._ip("addr", "add", f"{self._near}/30", "dev", near)
        self._ip("link", "set", near, "up")
        mac = "02:00:00:00:00:02"
        for command in (
            ("addr", "add", f"{self.address}/30", "dev", far),
            ("link", "set", far, "address", mac),
            ("link", "set", far, "up"),
        ):
            self._inside.submit(self._ip, *command).result()
        # Or attempts would soon fail with an error, as nobody says where the address is.
        self._ip("neigh", "replace", self.address, "lladdr", mac, "dev", near, "nud", "permanent")

    async def _link(self, state: str) -> None:
        command = ("link", "set", self._names[1], state)
        future = self._inside.submit(self._ip, *command)
        await asyncio.wrap_future(future)

    def _ip(self, *arguments: str) -> None:
        subprocess.run(
            [self._program, *arguments], check=True, capture_output=True, timeout=_COMMAND
        )


def _enter() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
