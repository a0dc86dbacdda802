"""The first page: its race in a browser, and what it says when something is missing.

What the race shows is compared with the server's journal in tests/pages.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from readystate_server.lab import Server
from readystate_server.testing import AppServer

from .conftest import BOOT, STATIC, WEB, hold_python

WAYS = 6
# PyScript's own Python evaluates JavaScript; nothing is inline.
STRICT = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src data:; "
    "connect-src 'self' ws:; base-uri 'none'; form-action 'none'"
)


def expect_run(page: Page) -> None:
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)


def height(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["height"]


def test_the_visitor_sets_the_handshake_and_the_messages(page: Page, server: Server) -> None:
    """With the keyboard alone, which stays where it was."""
    page.goto(f"{server.url}/")
    expect_run(page)
    delay = page.get_by_role("slider", name="The handshake takes")
    count = page.get_by_role("slider", name="Each way sends")
    button = page.get_by_role("button", name="Run again")
    press = page.keyboard.press
    delay.focus()
    press("End")
    expect(delay).to_have_attribute("aria-valuetext", "3,000 ms")
    press("Home")
    expect(delay).to_have_attribute("aria-valuetext", "0 ms")
    delay.fill("1500")
    press("Tab")
    expect(count).to_be_focused()
    press("Home")
    expect(count).to_have_attribute("aria-valuetext", "1 message")
    press("ArrowRight")
    expect(page.locator("output[for=count]")).to_have_text("2 messages")
    press("Tab")
    expect(button).to_be_focused()
    press("Enter")
    expect(page.locator("#lab")).to_have_attribute("data-state", "running")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-disabled", "true")
    expect_run(page)
    expect(page.locator("#said")).to_contain_text("sleep(1) lost 2 messages")
    # The axis of a timeline is long enough for what it shows.
    last = page.locator("#result [data-way=ask] svg.timeline text").last.inner_html()
    assert float(last.removesuffix(" ms")) >= 1500


def test_the_page_is_there_before_python(page: Page, server: Server) -> None:
    release = hold_python(page)
    page.goto(f"{server.url}/")
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    expect(page.locator("#boot").get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".way, .lap").get_by_role("heading")).to_have_count(WAYS)
    expect(page.get_by_role("button", name="Run again")).to_be_disabled()
    expect(page.get_by_role("button", name="Break it")).to_be_disabled()
    articles = page.locator("#side_by_side, .way, .lap, #result, #said").all()
    before = [height(article) for article in articles]
    release()
    expect_run(page)
    assert [height(article) for article in articles] == pytest.approx(before, abs=1)


def test_runs_under_a_strict_policy(page: Page, server: Server, tmp_path: Path) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web)
    index = web / "index.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{STRICT}">'
    index.write_text(index.read_text().replace("<head>", f"<head>{policy}"))
    with Server(web_folder=web) as strict:
        page.goto(f"{strict.url}/")
        expect_run(page)


@pytest.mark.complains
def test_a_static_host_is_told_from_the_server(page: Page, static_host: AppServer) -> None:
    page.goto(f"{static_host.url}/some/path/web/")
    expect(page.get_by_role("alert")).to_contain_text("python -m readystate_server", timeout=BOOT)
    host = static_host.url.removeprefix("http://")
    expect(page.get_by_role("alert")).to_contain_text(f"ws://{host}/some/path/web/ws/sink")
    expect(page.locator("#lab")).to_have_attribute("data-state", "failed")
    # What needs no server is shown all the same.
    exception = page.locator("#send_at_once [data-field=exception]")
    expect(exception).to_have_text("InvalidStateError")


def test_a_server_that_comes_later_is_found(page: Page) -> None:
    with Server() as server:
        page.goto(f"{server.url}/")
        expect_run(page)
    again = page.get_by_role("button", name="Run again")
    again.click()
    expect(page.locator("#no-server")).to_be_visible(timeout=BOOT)
    with Server(port=server.port):
        again.click()
        expect_run(page)
        expect(page.locator("#no-server")).to_be_hidden()


@pytest.mark.complains
def test_without_vendor_the_cdn_has_the_same_versions(
    page: Page, server: Server, tmp_path: Path
) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("vendor"))
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(re.compile("^https:"), refuse)
    with AppServer(STATIC, cwd=web) as host:
        page.goto(host.url)
        alert = page.get_by_role("alert")
        expect(alert.first).to_contain_text("Python could not be started", timeout=BOOT)
        expect(alert.first).to_contain_text("cdn.jsdelivr.net")
    [core] = [url for url in asked if url.endswith("/core.js")]
    assert re.fullmatch(r"https://cdn.jsdelivr.net/npm/@pyscript/core@[\d.]+/dist/core.js", core)


@pytest.mark.parametrize("missing", ["core.js", "pyodide.mjs", "*.whl", "lab.py"])
@pytest.mark.complains
def test_what_cannot_be_loaded_is_said(page: Page, server: Server, missing: str) -> None:
    def refuse(route: Route) -> None:
        if route.request.method == "HEAD":
            route.continue_()
        else:
            route.fulfill(status=404, body="")

    page.route(f"**/{missing}", refuse)
    page.goto(f"{server.url}/")
    alert = page.get_by_role("alert")
    expect(alert.first).to_contain_text("Python could not be started", timeout=BOOT)


@pytest.mark.complains
def test_what_does_not_come_is_said(page: Page, server: Server) -> None:
    page.route("**/pyodide.asm.wasm", lambda route: route.fulfill(status=404, body=""))
    page.goto(f"{server.url}/")
    status = page.get_by_role("status").first
    expect(status).to_contain_text("takes long", timeout=BOOT)


@pytest.mark.complains
def test_an_exception_is_said(page: Page, server: Server) -> None:
    program = "raise ValueError('of no use')"
    page.route("**/lab.py", lambda route: route.fulfill(body=program, content_type="text/x-python"))
    page.goto(f"{server.url}/")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("ValueError: of no use", timeout=BOOT)
    alert.get_by_text("Traceback").first.click()
    expect(alert).to_contain_text("lab.py", use_inner_text=True)


@pytest.mark.complains
def test_a_page_without_its_script_says_so(page: Page, server: Server) -> None:
    page.route("**/boot.js", lambda route: route.abort())
    page.goto(f"{server.url}/")
    expect(page.locator(".stalled")).to_contain_text("has not started")
    expect(page.locator(".stalled")).to_be_visible(timeout=20_000)
