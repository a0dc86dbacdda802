"""What servers do whatever the framework: they say how they are, and end when they are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator

from readystate_server.sessions import Sessions

from .children import commands, say

BACKLOG = 2048
GREETING = "x" * 120
"""As long as the answer to a client that opens a session."""


async def speak(sessions: Sessions) -> None:
    """Says the statistics, once a second."""
    while True:
        await asyncio.sleep(1)
        say(stats=dataclasses.asdict(sessions.stats))


async def obey() -> None:
    """Ends with the one that started it."""
    async for _ in commands():
        pass
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.asynccontextmanager
async def working(sessions: Sessions) -> AsyncIterator[None]:
    """Speaks and obeys; closes the sessions at the end."""
    tasks = [asyncio.create_task(speak(sessions)), asyncio.create_task(obey())]
    try:
        yield
    finally:
        await sessions.close()
        for task in tasks:
            task.cancel()
