"""The server in its own process, which a test can kill."""

import http
import json
import subprocess
import sys
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from .address import encode
from .breakable import Breakable

START_TIMEOUT = 30.0
"""Seconds to wait until the process listens."""


class ServerProcess(Breakable):
    """Runs `python -m readystate_server` on loopback; its standard error is ours.

    `port` 0 is any free one. Pages of `allow_origins` may open WebSockets too ("*": all).
    """

    def __init__(self, *, port: int = 0, allow_origins: Collection[str] = ()) -> None:
        super().__init__("127.0.0.1", port)
        self._options = [f"--allow-origin={origin}" for origin in allow_origins]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens. Raises OSError if it ends or hangs."""
        if self._process is not None:
            raise RuntimeError("The server is already running: kill() it first.")
        process = self._process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "readystate_server", "--no-prepare"),
                *("--host", self.host, "--port", str(self.port)),
                *self._options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(START_TIMEOUT, process.kill)
        watchdog.start()
        try:
            # It prints its URL when it listens, and nothing if it ends before.
            url = process.stdout.readline() if process.stdout is not None else ""
        except BaseException:
            self.kill()
            raise
        finally:
            watchdog.cancel()
        port = urlsplit(url.strip()).port
        if port is None:
            self.kill()
            raise OSError(
                f"No server on port {self.port} of {self.host}: the process ended with status "
                f"{process.returncode}, and its standard error may say why."
            )
        self.port = port

    def kill(self) -> None:
        """End it at once (SIGKILL), without closing connections, if it is running."""
        if self._process is not None:
            with self._process:
                self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Kill it if it is running, and start it on the same port, with an empty journal."""
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

    def journal(
        self,
        id: str,
        messages: int | None = None,
        closed: int | None = None,
        timeout: float = 5,
    ) -> list[dict[str, Any]]:
        """Return what the connections of `id` received, like Server.journal(), over HTTP.

        Raises OSError if the server does not answer.
        """
        wanted = {"messages": messages, "closed": closed, "timeout": timeout}
        query = {name: value for name, value in wanted.items() if value is not None}
        status, body = self._ask("GET", f"/journal/{quote(id, safe='')}{encode(query)}", timeout)
        if status == http.HTTPStatus.NOT_FOUND:
            raise LookupError(f"No connection had the id {id!r}.")
        if status == http.HTTPStatus.GATEWAY_TIMEOUT:
            raise TimeoutError(
                f"The journal of {id!r} has not reached messages={messages}, closed={closed} "
                f"in {timeout} s; it holds {body}"
            )
        if status != http.HTTPStatus.OK:
            raise ValueError(body)
        found: list[dict[str, Any]] = json.loads(body)
        return found
