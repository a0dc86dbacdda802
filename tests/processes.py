"""Child processes of tests: each ends with its test, and takes at most so long.

Each is the leader of a process group, so that what it starts ends too. They can be interrupted
wherever the tests run: a job in the background ignores SIGINT, and so would its children.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LASTS = 8 * 3600.0
"""Seconds for what serves all tests: more than those of tests/long take on a busy machine. Each
test has its own bound.
"""
KILLED = 10.0
"""Seconds that what was killed may take to be gone."""

_running: set[int] = set()


@contextmanager
def started(
    command: Sequence[str | Path], *, timeout: float = 50, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start a command; it is killed after `timeout` seconds, or at the end of the block.

    `options` are those of Popen.
    """
    process = subprocess.Popen(
        [*map(str, command)],
        **{"text": True, "process_group": 0, "preexec_fn": _interruptible, **options},
    )
    _running.add(process.pid)
    watchdog = threading.Timer(timeout, kill, [process])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        kill(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        process.wait(KILLED)
        _running.discard(process.pid)


def run(
    command: Sequence[str | Path], *, timeout: float = 50, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository, and return what it has said.

    Raises:
        subprocess.TimeoutExpired: It took longer; what it had said is in the error.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT}
    with started(command, timeout=2 * timeout, **{**pipes, **options}) as process:
        output, errors = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(command, process.returncode, output or "", errors or "")


def python(code: str, *arguments: str | Path, flags: Sequence[str] = ()) -> str:
    """Run a program of Python, which has to succeed without a complaint; return what it prints."""
    done = run([sys.executable, *flags, "-c", code, *arguments], timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def kill(process: subprocess.Popen[str]) -> None:
    """Ends it, and what it has started."""
    _kill_group(process.pid)


def end_all() -> None:
    """Ends all that run, before this process ends without its clean-up."""
    for pid in list(_running):
        _kill_group(pid)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
