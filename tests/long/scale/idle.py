"""``python -m tests.long.scale.idle``: the memory of sessions that are connected and do nothing.

Beside it is that of the same number of the framework's connections without sessions, which have
sent as much.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import shlex
import sys
import tempfile
from pathlib import Path

from . import children
from .children import Child
from .ports import free_port
from .report import environment
from .servers import ServerProcess

FRAMEWORKS = ("aiohttp", "starlette")
BOUND = 900.0
PROCESSES = 2
RATE = 400.0
"""How many clients connect in a second."""
SETTLE = 5.0
"""For how many seconds all are connected, before memory is looked at."""
MOST = 20.0
"""How many KiB a session may need above its connection."""


class Idle:
    """A server and its clients.

    Args:
        framework: Of the server.
        compress: Whether it compresses messages.
        count: How many clients.
        folder: For their logs.
    """

    def __init__(self, framework: str, compress: bool, count: int, folder: Path) -> None:
        self._framework = framework
        self._compress = compress
        self._count = count
        self._folder = folder
        self._connected = [0] * PROCESSES
        self._changed = asyncio.Event()

    async def measure(self, path: str) -> float:
        """Returns how many KiB of the server each connection to ``path`` takes."""
        config = {
            "framework": self._framework,
            "port": free_port(random.SystemRandom()),
            "redis": None,
            "options": {"max_sessions": 2 * self._count, "connect_rate": 1e6},
            "compress": self._compress,
        }
        server = ServerProcess("server", config, self._folder, bound=BOUND)
        clients: list[Child] = []
        try:
            await server.start()
            before = children.memory(server.pid)
            url = server.url.replace("session", path)
            for index in range(PROCESSES):
                clients.append(await self._start_clients(index, url, path == "session"))
            listening = [asyncio.create_task(self._listen(*each)) for each in enumerate(clients)]
            async with asyncio.timeout(60 + 4 * self._count / RATE):
                while sum(self._connected) < self._count:
                    self._changed.clear()
                    await self._changed.wait()
            await asyncio.sleep(SETTLE)
            assert sum(self._connected) == self._count
            grown = children.memory(server.pid) - before
        finally:
            await asyncio.gather(server.kill(), *(child.kill() for child in clients))
        await asyncio.wait(listening)
        return grown / self._count / 1024

    async def _start_clients(self, index: int, url: str, has_sessions: bool) -> Child:
        first = self._count * index // PROCESSES
        config = {
            "first": first,
            "count": self._count * (index + 1) // PROCESSES - first,
            "urls": [url],
            "rate": 0,
            "ramp": self._count / RATE,
            "seed": index,
            "has_sessions": has_sessions,
            "interval": 3600,
        }
        command = children.module("clients", config)
        log = self._folder / "clients.log"
        return await children.start(command, name="clients", bound=BOUND, log=log)

    async def _listen(self, index: int, child: Child) -> None:
        async for line in child.lines():
            self._connected[index] = line["connected"]
            self._changed.set()
        self._connected[index] = 0


async def measure(count: int, folder: Path) -> dict[str, dict[str, float]]:
    """KiB a connection, a connection with a session, and the difference."""
    results = {}
    for framework, compress in itertools.product(FRAMEWORKS, (False, True)):
        plain = await Idle(framework, compress, count, folder).measure("plain")
        session = await Idle(framework, compress, count, folder).measure("session")
        results[f"{framework}, compressed" if compress else framework] = {
            "connection": round(plain, 1),
            "with a session": round(session, 1),
            "session": round(session - plain, 1),
        }
    return results


def main() -> int:
    """Measures; returns the exit status, which is 1 if a session needs more than MOST."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.scale.idle", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--report", type=Path, help="the folder for idle.json")
    options = parser.parse_args()
    children.lift_limits()
    children.end_after(4 * BOUND)
    with tempfile.TemporaryDirectory() as folder:
        results = asyncio.run(measure(options.sessions, Path(folder)))
    lines = [f"{options.sessions:,} connections, KiB of the server each:"]
    lines += [f"  {name}: {sizes}" for name, sizes in results.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        report = {
            "command": "python -m tests.long.scale.idle " + shlex.join(sys.argv[1:]),
            "environment": environment(),
            "sessions": options.sessions,
            "KiB": results,
        }
        (options.report / "idle.json").write_text(json.dumps(report, indent=1) + "\n")
    return int(any(sizes["session"] > MOST for sizes in results.values()))


if __name__ == "__main__":
    sys.exit(main())
