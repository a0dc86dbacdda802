"""PyScript's script, worker and editor, in a page that is isolated (COOP, COEP) and one that isn't.

In both Pythons; Pyodide blocks, too. Only PyScript has these, and only a browser heeds the headers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.lab import Server, app
from tests.browser.test_pyscript import page_of

pytestmark = [pytest.mark.only_browser("chromium"), pytest.mark.timeout(180)]

PATIENCE = 60_000
PROGRAM = """
from readystate import InvalidStateError, QueuedWebSocket, WebSocket, connect

async def main():
    try:
        WebSocket("/ws/echo").send("too early")
    except InvalidStateError as error:
        print(error.name)
    async with connect("/ws/echo") as ws:
        await ws.send("hello")
        print(await ws.recv())
    async with QueuedWebSocket("/ws/echo") as ws:
        ws.send("queued")
        print(await ws.recv())
    try:
        from pyscript import document
        print("title", document.title)
    except AttributeError:
        print("no document")

await main()
"""
BLOCKS = """
from readystate.sync import connect as blocking

with blocking("/ws/echo") as ws:
    ws.send("without await")
    print(ws.recv())
"""
END = """
print("the end")
"""
SAID = ("InvalidStateError", "hello", "queued")
DOCUMENT = ("title Host", "no document")
HOSTS = {"page": "type='{0}' async", "worker": "type='{0}' worker", "editor": "type='{0}-editor'"}


@pytest.mark.parametrize("is_isolated", [True, False])
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("python", ["py", "mpy"])
@pytest.mark.usefixtures("server")  # which builds the wheels
def test_it(
    context: BrowserContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    python: str,
    host: str,
    is_isolated: bool,
) -> None:
    name, package, blocks = {
        "py": ("pyodide", "readystate.whl", BLOCKS),
        "mpy": ("micropython", "readystate-mpy.zip", ""),
    }[python]
    files = {"files": {f"/wheel/{package}": "./*"}}
    html = page_of(f"{PROGRAM}{blocks}{END}", HOSTS[host].format(python), name, files)
    (tmp_path / "page.html").write_text(html)
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
            page.locator(f".{python}-editor-run-button").click(timeout=PATIENCE)
            output = page.locator(f".{python}-editor-output")
            expect(output).to_contain_text("the end", timeout=PATIENCE)
            said[:] = output.inner_text().splitlines()
        elif "the end" not in said:
            with page.expect_event(
                "console", lambda message: message.text == "the end", timeout=PATIENCE
            ):
                pass
    document = DOCUMENT[0] if is_isolated or host == "page" else DOCUMENT[1]
    expected = [*SAID, document, *(["without await"] if blocks else []), "the end"]
    assert [line for line in said if line in {*DOCUMENT, *expected}] == expected
