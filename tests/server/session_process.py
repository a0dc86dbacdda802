"""What the tests of several server processes start: Redis, and the servers themselves."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from aiohttp import web
from redis.asyncio import Redis

from readystate_server.sessions import RedisStore, ServerSession, Sessions
from readystate_server.sessions.aiohttp import serve
from tests.processes import ROOT, started

EXPIRES = 30.0


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[str]:
    """Debian's Redis on a socket of its own; gives the path of that."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    assert program, "redis-server is missing: run `python -m tests.setup`"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis"
        command = [program, "--unixsocket", path, "--dir", folder, "--save", ""]
        command += ["--appendonly", "no", *(options or ["--port", "0"])]
        with started(command, timeout=600, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            log = []
            for line in process.stdout:
                log.append(line)
                if "accept connections" in line and path in line:
                    break
            else:
                raise AssertionError("redis-server has ended: " + "".join(log))
            yield path


class ServerProcess:
    """A server of sessions, in a process of its own.

    Attributes:
        listens: Gives the port when it listens.
    """

    def __init__(self, redis: str) -> None:
        command = [sys.executable, "-m", "tests.server.session_process", redis]
        self._ending = contextlib.ExitStack()
        self._process = self._ending.enter_context(
            started(command, cwd=ROOT, stdout=subprocess.PIPE)
        )
        self.listens = asyncio.create_task(asyncio.to_thread(self._read_port))

    async def kill(self) -> None:
        """Ends it with SIGKILL, as soon as it has begun to listen."""
        await self.listens
        self._ending.close()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


async def handler(session: ServerSession) -> None:
    """Writes down what comes, and answers with a text that is never the same.

    In the journal, a list in Redis, a line is "<message_id> <message>".
    """
    async for message in session:
        assert isinstance(message, str)
        await _redis.rpush("journal", f"{session.message_id} {message}")
        await session.send(f"{message} {secrets.token_hex(8)}")


async def main(path: str) -> None:
    """Serves until it is killed."""
    global _redis
    _redis = Redis(unix_socket_path=path)
    sessions = Sessions(
        handler, store=RedisStore(_redis), expires=EXPIRES, resume_burst=1000, resume_rate=1000
    )
    app = web.Application()
    app.router.add_get("/session", functools.partial(serve, sessions))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


_redis: Redis

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
