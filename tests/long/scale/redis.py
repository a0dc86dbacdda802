"""A Redis of the run's own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from .children import Child, start

_READY = 30.0


class RedisProcess:
    """Debian's Redis, or Valkey, with an append-only file.

    Args:
        port: Where it listens.
        folder: For its file and its log.
        fsync: When it syncs the file: "always", "everysec" or "no".
        bound: After how many seconds each of its processes ends.
    """

    def __init__(self, port: int, folder: Path, *, fsync: str, bound: float) -> None:
        self.port = port
        self._folder = folder
        self._fsync = fsync
        self._bound = bound
        self._child: Child | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Its process; 0 while there is none."""
        return self._child.pid if self._child is not None else 0

    async def start(self) -> None:
        """Starts it, with what it had saved; returns when it has loaded that."""
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        assert program, "redis-server is missing: run `python -m tests.setup`"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", str(self._folder), "--appendonly", "yes"]
        command += ["--appendfsync", self._fsync, "--maxmemory-policy", "noeviction"]
        self._child = await start(
            command, name="redis", bound=self._bound, log=self._folder / "redis.log"
        )
        await self._child.wait_for("accept connections", _READY)
        self._reading = asyncio.create_task(_ignore(self._child))

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        if self._child is not None:
            await self._child.kill()
            self._child = None
        if self._reading is not None:
            await self._reading
            self._reading = None

    async def limit_memory(self, share: float | None) -> str:
        """Lets it have this share of the memory that it uses; ``None``: as much as it wants."""
        async with self._client() as client:
            used = int((await client.info("memory"))["used_memory"])
            limit = 0 if share is None else round(share * used)
            await client.config_set("maxmemory", limit)
        return f"{limit:,} of {used:,} bytes"

    async def sessions(self) -> set[str]:
        """The ids of the sessions that it has."""
        async with self._client() as client:
            keys = [key.decode() async for key in client.scan_iter(count=1000)]
        return {key.partition("{")[2].rstrip("}") for key in keys}

    async def statistics(self) -> dict[str, Any]:
        """What it says of itself, shortly."""
        async with self._client() as client:
            info = await client.info()
        names = ("redis_version", "used_memory_peak", "total_commands_processed")
        return {name: info[name] for name in names}

    @contextlib.asynccontextmanager
    async def _client(self) -> Any:
        client = Redis(host="127.0.0.1", port=self.port)
        try:
            yield client
        finally:
            await client.aclose()


async def _ignore(child: Child) -> None:
    with contextlib.suppress(AssertionError):
        await child.wait_for("\0", 86_400)
