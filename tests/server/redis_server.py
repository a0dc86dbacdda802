"""A Redis for the tests of several servers."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from tests.processes import started


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
