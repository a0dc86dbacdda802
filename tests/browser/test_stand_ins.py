"""What stands in for the browser's WebSocket in people's tests: Playwright's, MSW's, mock-socket's.

Only a browser has them; they are JavaScript and Playwright's, the same in each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, WebSocketRoute

from readystate import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionFailed,
    QueuedWebSocket,
    SendQueue,
    State,
    WebSocket,
    connect,
)
from readystate_server.lab import Server, vendor
from readystate_server.lab.places import WEB
from readystate_server.testing import Runtime
from readystate_server.testing.inpage import event, raises, until
from readystate_server.testing.runtime import BOOT, open_app, pyodide_url

pytestmark = pytest.mark.only_browser("chromium")

HOST = "ws://stand.in"

# Each of them has a server at HOST that does what the path says.
MSW = """\
async () => {
  const link = MockServiceWorker.ws.link("ws://stand.in/*");
  const worker = MockServiceWorker.setupWorker(
    link.addEventListener("connection", ({ client }) => {
      const path = new URL(client.url).pathname;
      client.addEventListener("message", (event) => answer(client, path, event.data));
    }),
  );
  await worker.start({ quiet: true, serviceWorker: { url: "FOLDER/mockServiceWorker.js" } });
}"""
MOCK_SOCKET = """\
() => {
  for (const path of ["echo", "batch", "blob", "close"]) {
    const server = new Mock.Server(`ws://stand.in/${path}`, { mock: false });
    server.on("connection", (client) => {
      client.on("message", (data) => answer(client, `/${path}`, data));
    });
  }
  globalThis.WebSocket = Mock.WebSocket;
}"""
ANSWER = """\
() => globalThis.answer = (client, path, data) => {
  const bytes = new Uint8Array([3, 10, 17]);
  if (path === "/batch") {
    // mock-socket sends the text of a view.
    const binary = globalThis.Mock ? bytes.buffer : bytes;
    for (const part of ["text", binary, "[object ArrayBuffer]", "last"])
      client.send(part);
  } else if (path === "/blob") {
    for (const part of ["text", new Blob(["blob"]), "behind it"]) client.send(part);
  } else if (path === "/close") {
    if (globalThis.Mock) client.close({ code: 4001, reason: "bye" });
    else client.close(4001, "bye");
  } else {
    client.send(data);
  }
};"""


def folder(name: str) -> str:
    return f"/vendor/{name}@{vendor.pinned(WEB, development=True)[name]}"


def playwright(route: WebSocketRoute) -> None:
    path = route.url.removeprefix(HOST)

    def answer(data: str | bytes) -> None:
        if path == "/batch":
            for part in ("text", b"\x03\x0a\x11", "[object ArrayBuffer]", "last"):
                route.send(part)
        elif path == "/close":
            route.close(code=4001, reason="bye")
        else:
            route.send(data)

    if path == "/refused":
        route.connect_to_server()
    else:
        route.on_message(answer)


@pytest.fixture(scope="module")
def routed(browser: Browser, server: Server) -> Iterator[Runtime]:
    """A page whose WebSocket is Playwright's. The others take its place, one after the other."""
    url = server.url_for("/runtime/", place="page", pyodide=pyodide_url())
    with browser.new_context() as context:
        page = context.new_page()
        page.route_web_socket(f"{HOST}/**", playwright)
        runtime = open_app(page, url, ready=None)
        page.wait_for_selector("body[data-ready]", state="attached", timeout=BOOT * 1000)
        yield runtime


@pytest.fixture(scope="module", params=["playwright", "msw", "mock-socket"])
def stand_in(request: pytest.FixtureRequest, routed: Runtime) -> Runtime:
    name = request.param
    if name != "playwright":
        page = routed.page
        file = "iife/index.js" if name == "msw" else "mock-socket.js"
        page.evaluate(ANSWER)
        page.add_script_tag(url=f"{folder(name)}/{file}")
        page.evaluate(MSW.replace("FOLDER", folder(name)) if name == "msw" else MOCK_SOCKET)
    return routed


async def echoes(host: str) -> None:
    async with connect(f"{host}/echo") as ws:
        for message in ("text", b"bytes", "[object Blob]", bytes(2**17), "x" * 2**17):
            await ws.send(message)
            assert await ws.recv() == message
        await ws.drain()
        assert ws.buffered_amount == 0
    async with QueuedWebSocket(f"{host}/echo") as queue:
        for message in ("text", b"bytes"):
            queue.send(message)
            assert await queue.recv() == message
        await queue.drain()
    socket = WebSocket(f"{host}/echo")
    socket.binaryType = "arraybuffer"
    sends = SendQueue(socket)
    sends.send(b"bytes")
    assert (await event(socket, "message")).data == b"bytes"
    socket.close()
    await event(socket, "close")
    assert socket.readyState == WebSocket.CLOSED


async def sends_a_batch(host: str) -> None:
    expected = ["text", b"\x03\x0a\x11", "[object ArrayBuffer]", "last"]
    async with connect(f"{host}/batch") as ws:
        for _ in range(3):
            await ws.send("x")
            assert [await ws.recv() for _ in expected] == expected
    async with QueuedWebSocket(f"{host}/batch") as queue:
        queue.send("x")
        await asyncio.sleep(0.1)
        assert [await queue.recv() for _ in expected] == expected


async def closes(host: str) -> None:
    async with connect(f"{host}/close") as ws:
        await ws.send("x")
        with raises(ConnectionClosed) as caught:
            await ws.recv()
        assert (caught.value.code, caught.value.reason) == (4001, "bye")


async def sends_a_blob(host: str) -> None:
    """In spite of binaryType: what came before it is received, and then the error raised."""
    ends: tuple[Any, ...] = (connect, QueuedWebSocket)
    for end in ends:
        async with end(f"{host}/blob") as ws:
            sent = ws.send("x")
            if end is connect:
                await sent
            assert await ws.recv() == "text"
            with raises(ConnectionClosedError, match="neither text nor .*Blob"):
                await ws.recv()
            assert end is connect or ws.state is State.CLOSED


async def refuses(host: str) -> None:
    with raises(ConnectionFailed):
        await connect(f"{host}/refused", open_timeout=20)
    ws = WebSocket(f"{host}/refused")
    events: list[str] = []
    for type in ("error", "close"):
        ws.addEventListener(type, lambda event: events.append(event.type))
    await until(lambda: "close" in events)
    assert events == ["error", "close"]
    assert ws.readyState == WebSocket.CLOSED


@pytest.mark.parametrize("what", [echoes, sends_a_batch, closes, refuses, sends_a_blob])
def test_it(stand_in: Runtime, request: pytest.FixtureRequest, what: Any) -> None:
    name = request.node.callspec.params["stand_in"]
    if what is sends_a_blob and name == "playwright":
        pytest.skip("it sends none")
    if what is refuses and name == "msw":
        pytest.skip("it has no connection that is refused, but by its server's close()")
    stand_in.call(what, host=HOST, timeout=60)
