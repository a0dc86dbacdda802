"""The first page with a server that is given by its address, ?server=."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, Route, expect
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from readystate_server.lab import Server

from .conftest import BOOT, listen
from .test_lab_exceptions import Exceptions
from .test_lab_try_it import ECHO, TryIt


def address(server: Server, given: str) -> str:
    """The address of the page that talks to ``given``."""
    return f"{server.url}/?{urlencode({'server': given})}"


def expect_nothing_of_the_projects(page: Page) -> None:
    """The page says that what needs the project's server does not run, and it does not."""
    expect(page.locator("#other-server")).to_be_visible(timeout=BOOT)
    expect(page.get_by_role("status").first).to_contain_text("This does not run here")
    expect(page.get_by_role("button", name="Break it")).to_be_disabled()
    expect(page.get_by_role("button", name="Run again")).to_be_disabled()
    expect(
        page.locator("#break_it").get_by_role("button", name="Start", exact=True)
    ).to_be_disabled()


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that is not the project's, with a single WebSocket, by its URL."""

    def handle(ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    def check(ws: ServerConnection, request: Request) -> Response | None:
        return None if request.path == "/feed?token=1" else ws.respond(404, "Not here.\n")

    with serve(handle, "127.0.0.1", 0, process_request=check) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/feed?token=1"
        server.shutdown()
        thread.join(10)


def test_the_projects_server_elsewhere(page: Page, server: Server) -> None:
    talks_to = page.locator("#talks-to")
    field = page.get_by_role("textbox", name="Address of the server")
    with Server(allow_origins=[server.url]) as other:
        page.goto(f"{server.url}/")
        expect(talks_to).to_have_text(server.ws_url("/"), timeout=BOOT)
        expect(field).to_have_value("")
        # As the server prints it.
        field.fill(f"{other.url}/")
        page.keyboard.press("Enter")
        page.wait_for_url(address(server, f"{other.url}/"))
        expect(talks_to).to_have_text(other.ws_url("/"), timeout=BOOT)
        expect(field).to_have_value(f"{other.url}/")
        expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
        id = page.locator("#send_on_open").get_attribute("data-id")
        assert id is not None
        [connection] = other.journal(id)
        assert connection["origin"] == server.url
        assert connection["messages"]
        bench = page.locator("#break_it")
        bench.get_by_role("button", name="Start", exact=True).click()
        expect(bench.locator("[data-field=received]")).not_to_have_text("0", timeout=BOOT)
        bench.get_by_role("button", name="Drop", exact=True).click()
        expect(bench.locator("[data-field=said]")).to_contain_text("Drop, after")
        bench.get_by_role("button", name="Stop", exact=True).click()
        expect(bench).to_have_attribute("data-state", "over", timeout=BOOT)


@pytest.mark.complains
def test_the_projects_server_that_does_not_let_the_page_in(page: Page, server: Server) -> None:
    with Server() as other:
        lab = Exceptions(page, address(server, other.ws_url("/")))
        expect_nothing_of_the_projects(page)
        command = f"python -m readystate_server --allow-origin {server.url}"
        expect(page.locator("#other-server pre")).to_have_text(command)
        lab.all_well()


@pytest.mark.complains
def test_a_server_that_is_not_there(page: Page, server: Server) -> None:
    with Server() as other:
        gone = other.url
    lab = Exceptions(page, address(server, gone))
    expect_nothing_of_the_projects(page)
    expect(page.locator("#other-server")).to_contain_text(f"{gone}/journal/ is out of reach")
    lab.all_well()


@pytest.mark.complains
def test_a_server_that_is_not_the_projects(page: Page, server: Server, echo: str) -> None:
    lab = Exceptions(page, address(server, echo))
    expect_nothing_of_the_projects(page)
    expect(page.locator("#talks-to")).to_have_text(echo)
    lab.all_well()
    editor = TryIt(page, address(server, echo))
    editor.choose("send_on_open")
    expect(editor.code).to_contain_text(f'ws = WebSocket("{echo}")')
    editor.run()
    expect(editor.output).to_have_text(ECHO, timeout=20_000)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("localhost:8000", "'localhost:8000' is no address of a server"),
        ("ws://127.0.0.1:8000/#ws", "leave out #ws"),
        ("ws://me:secret@127.0.0.1:8000", "leave them out"),
    ],
)
@pytest.mark.complains
def test_what_is_no_address_is_said(page: Page, server: Server, given: str, why: str) -> None:
    console = listen(page)
    page.goto(address(server, given))
    alert = page.locator("#bad-address")
    expect(alert).to_contain_text(why, timeout=BOOT)
    # The page works all the same.
    expect(page.locator("#talks-to")).to_have_text(server.ws_url("/"))
    alert.get_by_role("link", name="Correct the address").click()
    expect(page.get_by_role("textbox", name="Address of the server")).to_have_value(given)
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
    console.check()


@pytest.mark.complains
def test_mixed_content_is_said(page: Page, server: Server) -> None:
    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("https://readystate.test")
        own = {"host": server.url.removeprefix("http://")}
        route.fulfill(response=route.fetch(url=f"{server.url}{path}", headers=own))

    page.route("https://readystate.test/**", answer)
    page.goto("https://readystate.test/?server=ws://192.0.2.1:8000")
    alert = page.locator("#bad-address")
    expect(alert).to_contain_text("mixed content", timeout=BOOT)
    expect(alert).to_contain_text("Give a wss: address")
    # Of this machine itself, browsers think better.
    page.goto(f"https://readystate.test/?server=ws://127.0.0.1:{server.port}")
    expect(page.locator("#talks-to")).to_contain_text(f"127.0.0.1:{server.port}", timeout=BOOT)
    expect(alert).to_be_hidden()
