"""Processes that end with this one, whatever ends it, and that speak in lines of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from tests.processes import KILLED, ROOT

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_after(seconds: float) -> None:
    """Ends this process after so long, also if it hangs; the alarm survives ``exec``."""
    signal.alarm(int(seconds) + 1)


def lift_limits() -> None:
    """Lets this process open as many files as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _bound(seconds: float) -> Callable[[], None]:
    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for the one that started it
        end_after(seconds)
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return prepare


class Child:
    """A process.

    Args:
        process: What runs.
        name: For people.
    """

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def signal(self, number: int) -> None:
        """Sends a signal."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Ends it at once."""
        self.signal(signal.SIGKILL)
        await self.ended(KILLED)

    async def ended(self, timeout: float) -> int:
        """Waits for its end; returns its exit status."""
        async with asyncio.timeout(timeout):
            return await self._process.wait()

    def tell(self, **command: Any) -> None:
        """Writes a line to it."""
        assert self._process.stdin is not None
        if self.is_running:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Yields what it says, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            yield json.loads(line)

    async def wait_for(self, words: str, timeout: float) -> None:
        """Reads until a line has these words, and ignores what it says from then on.

        Raises:
            AssertionError: It has ended before.
        """
        assert self._process.stdout is not None
        log = []
        async with asyncio.timeout(timeout):
            async for line in self._process.stdout:
                log.append(line.decode())
                if words in log[-1]:
                    return
        raise AssertionError(f"{self.name} has ended: {''.join(log)}")


async def start(
    command: Sequence[str],
    *,
    name: str,
    bound: float,
    log: Path,
) -> Child:
    """Starts a process, for at most ``bound`` seconds; what it says of errors goes to ``log``."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            preexec_fn=_bound(bound),
            limit=2**24,
        )
    return Child(process, name)


def module(name: str, config: Any) -> list[str]:
    """The command for a module of this package."""
    return [sys.executable, "-m", f"{__package__}.{name}", json.dumps(config)]


def say(**line: Any) -> None:
    """What a child says to the one that started it."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def commands() -> AsyncIterator[dict[str, Any]]:
    """What a child is told, until the one that started it has gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        yield json.loads(line)


def memory(pid: int) -> int:
    """The resident memory of a process in bytes; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
