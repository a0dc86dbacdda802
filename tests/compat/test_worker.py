"""A worker has the ``WebSocket`` of a page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from readystate_server.lab import Server
from readystate_server.testing import open_pyodide

from . import packages


@pytest.mark.only_browser("chromium")
def test_in_a_worker(browser: Browser, server: Server, peer: str) -> None:
    packages.require()
    with open_pyodide(browser, server, "worker") as runtime:
        runtime.install(packages.INSTALLED / "websockets")
        runtime.call(echo, peer=peer)
        assert runtime.console.complaints == []


async def echo(*, peer: str) -> None:
    import js

    import readystate.compat

    readystate.compat.install()

    import websockets

    assert not hasattr(js, "document")
    async with websockets.connect(f"{peer}/echo") as ws:
        for message in ("grün", b"\0" * 100_000):
            await ws.send(message)
            assert await ws.recv() == message
    assert ws.close_code == 1000
