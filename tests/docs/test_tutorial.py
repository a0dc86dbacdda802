"""The tutorial's app, step after step, as its reader has it in a folder."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
import sqlite3
import sys
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from readystate import ConnectionClosedError, QueuedWebSocket
from readystate_server.lab import vendor
from readystate_server.lab.places import WEB
from readystate_server.testing import AppServer

from .. import processes
from ..guide.test_guide import PROJECT
from ..server.redis_server import redis_server
from .pages import DOCS
from .quickstart import COMMAND
from .tutorial import STEPS, TUTORIAL, lay_out


def test_the_documentation_shows_each_file_that_a_step_changes() -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    shown = re.findall(r'--8<-- "tutorial/([^"]+)"', text)
    pages = {f"{step}/page/index.html" for step in STEPS[1:]}  # of which it shows what changes
    files = {path.relative_to(TUTORIAL).as_posix() for path in TUTORIAL.rglob("*.*")}
    assert {*shown} == {name for name in files if "__pycache__" not in name} - pages
    for name in pages & files:
        lines = (TUTORIAL / name).read_text(encoding="utf-8").splitlines()
        before = (TUTORIAL / STEPS[0] / "page/index.html").read_text(encoding="utf-8")
        for line in lines:
            assert line in before or line.strip() in text or '"files"' in line, f"{name}: {line}"


def test_its_pages_load_the_pinned_runtimes_and_so_does_the_one_of_the_guide_to_testing() -> None:
    versions = vendor.pinned(WEB)
    for path in (*TUTORIAL.rglob("index.html"), PROJECT / "app" / "index.html"):
        text = path.read_text(encoding="utf-8")
        assert f"/@pyscript/core@{versions['pyscript']}/dist/core.js" in text
        assert f"/pyodide/v{versions['pyodide']}/full/pyodide.mjs" in text


def test_live_prices_end_with_the_server(tmp_path: Path) -> None:
    lay_out(tmp_path, "prices")
    watch = runpy.run_path(str(tmp_path / "page" / "prices.py"))["watch"]

    async def main() -> None:
        shown: asyncio.Queue[str] = asyncio.Queue()
        url = server.ws_url("/prices")
        watching = asyncio.create_task(watch(url, lambda name, price: shown.put_nowait(name)))
        assert {await shown.get(), await shown.get()} <= {"apples", "pears"}
        await asyncio.to_thread(server.stop)
        with pytest.raises(ConnectionClosedError, match="1012"):
            await watching

    with AppServer(COMMAND, cwd=tmp_path) as server:
        asyncio.run(asyncio.wait_for(main(), 30))


def test_its_tests_without_a_browser_pass(tmp_path: Path) -> None:
    lay_out(tmp_path, "tests")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = processes.run([*command, "test_orders.py"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_deployed_a_session_goes_on_after_a_restart(tmp_path: Path) -> None:
    lay_out(tmp_path, "deploying")
    database = tmp_path / "orders.db"

    async def main() -> None:
        # As page/orders.py, but without "renew": a session that is gone would raise SessionExpired.
        async with QueuedWebSocket(server.ws_url("/orders"), session=True) as ws:
            await ws.send(json.dumps({"id": "1", "name": "apples"}))
            await asyncio.to_thread(server.stop)
            ws.send(json.dumps({"id": "2", "name": "pears"}))
            await asyncio.to_thread(server.start)
            await ws.drain()

    with redis_server() as path:
        env = {"REDIS_URL": f"unix://{path}", "ORDERS": str(database)}
        with AppServer(COMMAND, cwd=tmp_path, env=env) as server:
            asyncio.run(asyncio.wait_for(main(), 40))
            with urllib.request.urlopen(server.url_for("/ready"), timeout=10) as answer:  # noqa: S310
                assert (answer.status, answer.read()) == (200, b"")
    rows = sqlite3.connect(database).execute("SELECT name FROM orders").fetchall()
    assert rows == [("apples",), ("pears",)]


def test_deployed_a_page_of_another_site_may_not_order(tmp_path: Path) -> None:
    lay_out(tmp_path, "deploying")

    async def ask(origin: str) -> int:
        protocols = [Subprotocol("readystate.v1")]
        url = server.ws_url("/orders")
        try:
            async with connect(url, origin=Origin(origin), subprotocols=protocols):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    with AppServer(COMMAND, cwd=tmp_path) as server:
        assert asyncio.run(asyncio.wait_for(ask("https://elsewhere.example"), 20)) == 403
        assert asyncio.run(asyncio.wait_for(ask(server.url), 20)) == 101
