"""A server of yours, in a process of its own, which a test can kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..lab.address import Address

START_TIMEOUT = 30.0
"""Seconds in which the server has to listen."""
STOP_TIMEOUT = 10.0
"""Seconds in which the server has to end when it is asked to."""


class AppServer(Address):
    """Runs your server's command on a free port of loopback, until the block ends. ::

        with AppServer(["uvicorn", "server:app", "--port", "{port}"]) as server:
            print(server.url)                # http://127.0.0.1:41235
            print(server.ws_url("/orders"))  # ws://127.0.0.1:41235/orders

    Its standard output and error are those of the test.

    Args:
        command: The program and its arguments, without a shell; ``{port}`` stands for the port.
        cwd: The folder to run it in; by default the current one.
        env: Environment variables that it has besides those of the test.

    Raises:
        ValueError: No argument has ``{port}`` in it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if not any("{port}" in argument for argument in command):
            raise ValueError(
                f"The command {[*command]} does not say where the port goes: "
                "write {port} in one of its arguments."
            )
        with socket.create_server(("127.0.0.1", 0)) as free:
            super().__init__("127.0.0.1", free.getsockname()[1])
        self._command = [argument.replace("{port}", str(self.port)) for argument in command]
        self._cwd = cwd
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            RuntimeError: It is running already.
            OSError: It has ended, or does not listen after 30 seconds.
        """
        if self._process is not None:
            raise RuntimeError("The server is already running: stop() or kill() it first.")
        self._process = subprocess.Popen(
            self._command,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_it_listens(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end (SIGTERM), as a deployment does, and return when it has.

        Raises:
            TimeoutError: It has not ended after 10 seconds; it is killed then.
        """
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"The server has not ended in {STOP_TIMEOUT:g} s after SIGTERM."
            ) from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and what it has started at once (SIGKILL); no connection is closed properly."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it, if it is running, and start it on the same port."""
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_TIMEOUT
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError as error:
                if process.poll() is not None:
                    raise OSError(
                        f"{self._command} ended with status {process.returncode} before it "
                        f"listened on port {self.port}; its standard error may say why."
                    ) from error
                if time.monotonic() > end:
                    raise OSError(
                        f"{self._command} does not listen on port {self.port} of {self.host} "
                        f"after {START_TIMEOUT:g} s: does it use its argument {{port}}?"
                    ) from error
            time.sleep(0.02)  # nothing tells when another process listens
