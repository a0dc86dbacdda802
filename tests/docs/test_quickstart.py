"""What a reader pastes from the README and the quickstart works, as a script against its server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from readystate import Backoff, QueuedWebSocket, Session, SessionExpired, StateChange
from readystate_server.testing import AppServer

from .. import processes
from . import quickstart
from .quickstart import COMMAND, PAGE, README, lay_out, servers


def test_the_readme_and_the_quickstart_have_the_same_files() -> None:
    assert servers(README)[0].text == servers(PAGE)[0].text.removeprefix("# server.py\n")
    shown = quickstart.index(PAGE).removeprefix("<!-- page/index.html -->\n")
    assert quickstart.index(README) == shown
    assert quickstart.script(README) == quickstart.script(PAGE).removeprefix("# hello.py\n")


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.name)
def test_its_script_talks_to_its_server(tmp_path: Path, page: Path) -> None:
    lay_out(tmp_path, servers(page)[0].text, "")
    server = AppServer(COMMAND, cwd=tmp_path)
    address = f"127.0.0.1:{server.port}"
    (tmp_path / "hello.py").write_text(quickstart.script(page).replace("127.0.0.1:8000", address))
    with server:
        done = processes.run([sys.executable, "hello.py"], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_its_session_goes_on_after_a_restart(tmp_path: Path) -> None:
    lay_out(tmp_path, servers()[1].text, "")
    server = AppServer(COMMAND, cwd=tmp_path)
    changes: list[StateChange] = []

    async def talk() -> None:
        options: Any = {"session": Session(renew=True), "backoff": Backoff(0.1, 0.5)}
        url = server.ws_url("/echo")
        async with QueuedWebSocket(url, on_state=changes.append, **options) as ws:
            with server:
                await ws.send("before")
                assert await ws.recv() == "before"
            ws.send("meanwhile")
            with server:
                assert await ws.recv() == "meanwhile"

    asyncio.run(asyncio.wait_for(talk(), 50))
    errors = [change.error for change in changes]
    assert [error.why for error in errors if isinstance(error, SessionExpired)] == ["forgotten"]
