"""PyScript's worker, in a page that is isolated (COOP, COEP) and in one that is not.

Only PyScript has it, and only a browser heeds the headers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Route

from readystate_server.lab import Server, vendor
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
print("the end")
"""


@pytest.mark.parametrize("is_isolated", [True, False])
def test_a_worker(context: BrowserContext, tmp_path: Path, is_isolated: bool) -> None:
    pins = vendor.pinned(WEB)
    config = {
        "interpreter": f"/vendor/pyodide@{pins['pyodide']}/pyodide.mjs",
        "files": {"/wheel/readystate.whl": "./*"},
    }
    (tmp_path / "page.html").write_text(
        '<!doctype html><title>Host</title><link rel="icon" href="data:,">'
        f'<script type="module" src="/vendor/pyscript@{pins["pyscript"]}/core.js"></script>'
        f"<script type='py' worker config='{json.dumps(config)}'>{PROGRAM}</script>"
    )

    def without_headers(route: Route) -> None:
        answer = route.fetch()
        kept = {k: v for k, v in answer.headers.items() if not k.startswith("cross-origin-")}
        route.fulfill(response=answer, headers=kept)

    with Server(folders={"/pages": tmp_path}) as server:
        page = context.new_page()
        if not is_isolated:
            page.route("**/page.html", without_headers)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{server.url}/pages/page.html")
        assert page.evaluate("crossOriginIsolated") is is_isolated
        if "the end" not in said:
            with page.expect_event(
                "console", lambda message: message.text == "the end", timeout=PATIENCE
            ):
                pass
    lines = [
        line for line in said if line in PROGRAM or line in ("InvalidStateError", "title Host")
    ]
    document = "title Host" if is_isolated else "no document"
    assert lines == ["InvalidStateError", "hello", document, "the end"]
