"""The server processes, as the run sees them."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from . import children
from .children import Child

_STARTS = 60.0
_ENDS = 30.0


class ServerProcess:
    """A server that can be killed and started again, at the same port.

    Attributes:
        stats: What it said last of its sessions.
        refused: How many clients all its processes have refused, by limit.
    """

    def __init__(
        self,
        name: str,
        config: dict[str, Any],
        folder: Path,
        *,
        bound: float,
    ) -> None:
        self.name = name
        self.stats: dict[str, Any] = {}
        self.past: list[dict[str, Any]] = []
        self._config = config
        self._folder = folder
        self._until = time.monotonic() + bound
        self._child: Child | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        """Of its sessions."""
        return f"ws://127.0.0.1:{self._config['port']}/session"

    @property
    def pid(self) -> int:
        """Its process; 0 while there is none."""
        return self._child.pid if self._child is not None else 0

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        if self._child is not None:
            self._child.signal(number)

    async def start(self) -> None:
        """Starts it; returns when it listens."""
        self._starts += 1
        journal = self._folder / f"{self.name}-{self._starts}.journal"
        config = {**self._config, "journal": str(journal)}
        self._child = await children.start(
            children.module("server", config),
            name=self.name,
            bound=self._until - time.monotonic(),
            log=self._folder / f"{self.name}.log",
        )
        listens = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._child, listens))
        async with asyncio.timeout(_STARTS):
            await listens

    async def kill(self) -> None:
        """Ends it with SIGKILL."""
        if self._child is not None:
            await self._child.kill()
            await self._gone()

    async def end(self) -> None:
        """Ends it with SIGTERM, as an operator would."""
        if self._child is not None:
            self._child.signal(signal.SIGTERM)
            try:
                await self._child.ended(_ENDS)
            except TimeoutError:
                await self._child.kill()
                raise
            await self._gone()

    def journals(self) -> list[Path]:
        """What its handlers have received, by process."""
        return sorted(self._folder.glob(f"{self.name}-*.journal"))

    async def _gone(self) -> None:
        self._child = None
        if self._reading is not None:
            await self._reading
        self.past.append(self.stats)
        self.stats = {}

    async def _read(self, child: Child, listens: asyncio.Future[None]) -> None:
        async for line in child.lines():
            if "listens" in line:
                listens.set_result(None)
            elif "stats" in line:
                self.stats = line["stats"]
        if not listens.done():
            listens.set_exception(AssertionError(f"{self.name} has ended: see its log"))
