"""``python -m tests.benchmarks.hidden``: how fast a hidden tab sends, beside one that is shown.

Playwright has every page believe that it is shown, and switches off what browsers do to hidden
ones. So Chromium runs as a visitor's here, on a virtual display, and is spoken to without it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

import readystate
from readystate_server.lab import Server, vendor, wheel
from readystate_server.testing.runtime import pyodide_url, result_of, values_of
from tests.browsers import launch_options
from tests.engines.webkit import display
from tests.processes import started

ALLOWED: Final = 1.2
"""How many times as long as a shown tab a hidden one may take."""
PATIENCE: Final = 120.0
ROUNDS: Final = 12
WAYS: Final = ("connect().send()", "drain()", "QueuedWebSocket")
READY: Final = """\
new Promise((resolve) => {
  const look = () => {
    const { ready, failed } = document.body?.dataset ?? {};
    if (ready || failed) resolve(failed ?? "");
    else setTimeout(look, 50);
  };
  look();
})"""


async def send(*, way: str, url: str) -> float:
    """Seconds that 20 messages of 1 MiB take."""
    data = bytes(2**20)
    if way == "QueuedWebSocket":
        async with readystate.QueuedWebSocket(url) as queued:
            await queued.wait_open()
            since = time.perf_counter()
            await asyncio.gather(*[queued.send(data) for _ in range(20)])
            return time.perf_counter() - since
    limit = 2**20 if way == "connect().send()" else 2**26
    async with readystate.connect(url, write_limit=limit) as ws:
        since = time.perf_counter()
        for _ in range(20):
            await ws.send(data)
        await ws.drain()
        return time.perf_counter() - since


class Browser:
    """Chromium, by its own protocol (CDP)."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._id = 0
        self._targets: dict[str, str] = {}

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The result of a command.

        Raises:
            RuntimeError: There is none.
        """
        self._id += 1
        command = {"id": self._id, "method": method, "params": parameters}
        self._connection.send(json.dumps(command | ({"sessionId": session} if session else {})))
        while True:
            answer = json.loads(self._connection.recv(PATIENCE))
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def open(self, url: str) -> str:
        """A new tab, which is shown instead of the one before; returns the session with it."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.navigate", session, url=url)
        self._targets[session] = target
        return str(session)

    def show(self, session: str) -> None:
        """Has this tab shown, and no other one."""
        self.ask("Target.activateTarget", targetId=self._targets[session])

    def evaluate(self, session: str, expression: str) -> Any:
        """What an expression of JavaScript results in, when it is settled."""
        options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self.ask("Runtime.evaluate", session, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium as a visitor has it, with a window."""
    command = launch_options("chromium")["executable_path"]
    with display() as name, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ("--no-first-run", "--no-sandbox", "--remote-debugging-port=0")
        environment = {**os.environ, "DISPLAY": name}
        arguments = [command, *options, f"--user-data-dir={profile}", "about:blank"]
        quiet = {"env": environment, "stderr": subprocess.DEVNULL}
        with started(arguments, timeout=600, **quiet):
            told = Path(profile, "DevToolsActivePort")
            deadline = time.monotonic() + PATIENCE
            while not (told.is_file() and len(told.read_text().split()) == 2):
                if time.monotonic() > deadline:
                    raise TimeoutError("Chromium has not started")
                time.sleep(0.1)
            port, path = told.read_text().split()
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as connection:
                yield Browser(connection)


IS = """\
new Promise((resolve) => {
  const look = () => document.visibilityState === "STATE" && resolve();
  document.addEventListener("visibilitychange", look);
  look();
})"""


def measure() -> dict[str, tuple[float, float]]:
    """The seconds that each way takes in a tab that is shown, and in a hidden one."""
    with Server() as server, browser() as chromium:
        page = chromium.open(server.url_for("/runtime/", place="page", pyodide=pyodide_url()))
        if failed := chromium.evaluate(page, READY):
            raise RuntimeError(failed)

        def seconds(way: str) -> float:
            url = server.ws_url("/ws/sink", ack=1000)
            values = json.dumps(values_of(send, PATIENCE, {"way": way, "url": url}))
            return float(result_of(chromium.evaluate(page, f"callPython(...{values})")))

        tabs = {"visible": page, "hidden": chromium.open("about:blank")}
        times: dict[tuple[str, str], list[float]] = {}
        # In the first round there is more to be done; what else runs here can only slow a tab down.
        for number in range(1 + ROUNDS):
            for state, shown in tabs.items():
                chromium.show(shown)
                chromium.evaluate(page, IS.replace("STATE", state))
                for way in WAYS:
                    took = seconds(way)
                    if number:
                        times.setdefault((way, state), []).append(took)
    return {way: (min(times[way, "visible"]), min(times[way, "hidden"])) for way in WAYS}


if __name__ == "__main__":
    vendor.fetch()
    wheel.build()
    taken = measure()
    for way, (visible, hidden) in taken.items():
        times = f"{visible:8.3f} s visible{hidden:8.3f} s hidden{hidden / visible:8.2f}"
        sys.stdout.write(f"{way:18}{times}\n")
    sys.exit(any(hidden > ALLOWED * visible for visible, hidden in taken.values()))
