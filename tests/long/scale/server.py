"""A server of sessions in a process of its own: ``python -m tests.long.scale.server CONFIG``.

It answers each message with its number, and writes down what its handlers receive. It says its
statistics once a second.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import itertools
import json
import os
import sys
import time
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from readystate_server.sessions import RedisStore, ServerSession, Sessions

from .accounts import pack
from .children import lift_limits


@dataclasses.dataclass
class Config:
    """What a server is told.

    Attributes:
        framework: "aiohttp" or "starlette".
        port: Where to listen.
        redis: The port of Redis; ``None`` for sessions in memory.
        journal: The file for what handlers receive.
        options: Those of Sessions.
        compress: Whether messages are compressed for clients that offer it.
    """

    framework: str
    port: int
    redis: int | None
    journal: str
    options: dict[str, Any]
    compress: bool = True


class Application:
    """The handler, and its journal, which survives SIGKILL."""

    def __init__(self, journal: str) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._runs = itertools.count(1)

    async def handle(self, session: ServerSession) -> None:
        """Answers each message; nothing is awaited between the answer and its being done."""
        run = next(self._runs)
        async for message in session:
            assert isinstance(message, str)
            client, number, sent_at = message.split()
            count = int(session.message_id.rpartition("-")[2])
            os.write(self._journal, pack(int(client), int(number), count, run, session.id))
            await session.send(f"{number} {sent_at} {time.monotonic():.6f}")


async def main(config: Config) -> None:
    """Serves until it is told to end."""
    lift_limits()
    store = None
    if config.redis is not None:
        # As the documentation has it: sessions try again by themselves.
        retry = Retry(NoBackoff(), 1)
        store = RedisStore(Redis(host="127.0.0.1", port=config.redis, retry=retry))
    handle = Application(config.journal).handle
    sessions = Sessions(handle, store=store, **config.options)
    framework = importlib.import_module(f"{__package__}.serve_{config.framework}")
    await framework.run(sessions, config.port, config.compress)


if __name__ == "__main__":
    asyncio.run(main(Config(**json.loads(sys.argv[1]))))
