"""PyScript's script, worker and editor, in a page that is isolated (COOP, COEP) and one that isn't.

Only PyScript has these, and only a browser heeds the headers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.lab import Server, app, vendor
from readystate_server.lab.places import WEB

pytestmark = [pytest.mark.only_browser("chromium"), pytest.mark.timeout(180)]

PATIENCE = 60_000
PROGRAM = """
from readystate import InvalidStateError, WebSocket, connect

try:
    WebSocket("/ws/echo").send("too early")
except InvalidStateError as error:
    print(error.name)
async with connect("/ws/echo") as ws:
    await ws.send("hello")
    print(await ws.recv())
try:
    from pyscript import document
    print("title", document.title)
except AttributeError:
    print("no document")

from readystate.sync import connect as blocking

with blocking("/ws/echo") as ws:
    ws.send("without await")
    print(ws.recv())
print("the end")
"""


SAID = ("InvalidStateError", "hello", "title Host", "no document", "without await", "the end")
HOSTS = {"page": "type='py' async", "worker": "type='py' worker", "editor": "type='py-editor'"}


@pytest.mark.parametrize("is_isolated", [True, False])
@pytest.mark.parametrize("host", HOSTS)
def test_it(
    context: BrowserContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    is_isolated: bool,
) -> None:
    pins = vendor.pinned(WEB)
    core = f"/vendor/pyscript@{pins['pyscript']}/core"
    config = {
        "interpreter": f"/vendor/pyodide@{pins['pyodide']}/pyodide.mjs",
        "files": {"/wheel/readystate.whl": "./*"},
    }
    (tmp_path / "page.html").write_text(
        '<!doctype html><title>Host</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{core}.css"><script type="module" src="{core}.js"></script>'
        f"<body><script {HOSTS[host]} config='{json.dumps(config)}'>{PROGRAM}</script>"
    )

    if not is_isolated:
        monkeypatch.delitem(app.HEADERS, "Cross-Origin-Embedder-Policy")
    with Server(folders={"/pages": tmp_path}) as server:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{server.url}/pages/page.html")
        assert page.evaluate("crossOriginIsolated") is is_isolated
        if host == "editor":
            # PyScript's style shows it while the mouse is there.
            page.locator(".py-editor-run-button").click(timeout=PATIENCE)
            output = page.locator(".py-editor-output")
            expect(output).to_contain_text("the end", timeout=PATIENCE)
            said[:] = output.inner_text().splitlines()
        elif "the end" not in said:
            with page.expect_event(
                "console", lambda message: message.text == "the end", timeout=PATIENCE
            ):
                pass
    document = "title Host" if is_isolated or host == "page" else "no document"
    assert [line for line in said if line in SAID] == [
        "InvalidStateError",
        "hello",
        document,
        "without await",
        "the end",
    ]
