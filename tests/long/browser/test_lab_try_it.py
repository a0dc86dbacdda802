"""The first page: the six ways in PyScript's editor, to be changed and run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from readystate_server.lab import Server

from .conftest import BOOT, listen

WAYS = {
    "send_at_once": "Send at once",
    "sleep_then_send": "Sleep, then send",
    "send_queue": "SendQueue",
    "send_on_open": "The open event",
    "check_ready_state": "Check readyState",
    "queue_until_open": "A queue by hand",
}
ECHO = re.compile("^The server has echoed ")
ENDLESS = """\
import asyncio
while True:
    print("on and on")
    await asyncio.sleep(0.1)
"""


class TryIt:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.requests: list[str] = []
        self.console = listen(page)
        # What goes wrong in the program is written there too.
        self.console.expected += ("Traceback",)
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(url)
        self.section = page.locator("#try_it")
        self.said = self.section.get_by_role("status")
        self.code = self.section.get_by_role("textbox")
        self.run_button = self.section.get_by_role("button", name="Run", exact=True)
        self.stop_button = self.section.get_by_role("button", name="Stop", exact=True)
        self.output = self.section.get_by_role("log")

    def way(self, name: str) -> Locator:
        return self.section.get_by_role("button", name=WAYS[name], exact=True)

    def choose(self, name: str) -> None:
        expect(self.way(name)).to_be_enabled(timeout=BOOT)
        self.way(name).click()
        expect(self.way(name)).to_have_attribute("aria-pressed", "true")
        expect(self.code).to_be_visible(timeout=BOOT)

    def write(self, program: str) -> None:
        """Replaces the code, as by pasting."""
        self.code.click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(program)

    def run(self) -> None:
        self.run_button.click()
        self.done()

    def done(self) -> None:
        expect(self.said).to_contain_text("The program has ended", timeout=BOOT)
        expect(self.run_button).to_be_visible()

    def pythons(self) -> int:
        """How often Python has been loaded."""
        return sum(url.endswith("/pyodide.asm.wasm") for url in self.requests)


@pytest.fixture(scope="module")
def lab(browser: Browser, server: Server) -> Iterator[TryIt]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield TryIt(context.new_page(), f"{server.url}/")
    context.close()


def test_each_way_runs(lab: TryIt, server: Server) -> None:
    expect(lab.way("send_at_once")).to_be_enabled(timeout=BOOT)
    # The page is not slower for what its visitor has not asked for.
    assert not any("codemirror_view" in url for url in lab.requests)
    lab.choose("send_at_once")
    expect(lab.code).to_be_focused()
    assert any("codemirror_view" in url for url in lab.requests)
    before = lab.pythons()
    expect(lab.code).to_contain_text(f'ws = WebSocket("{server.ws_url("/ws/echo")}')
    lab.run()
    expect(lab.output).to_contain_text(re.compile(r'File "<exec>", line \d+, in <module>'))
    expect(lab.output).to_contain_text(re.compile(r"InvalidStateError: \S.*\s*$"))
    assert lab.pythons() == before + 1
    for name in list(WAYS)[1:]:
        lab.choose(name)
        expect(lab.way("send_at_once")).to_have_attribute("aria-pressed", "false")
        expect(lab.output).to_be_empty()
        lab.run()
        expect(lab.output).to_have_text(ECHO, timeout=20_000)
    # In the same Python, and no file comes from elsewhere.
    assert lab.pythons() == before + 1
    elsewhere = [url for url in lab.requests if not url.startswith((server.url, "blob:", "data:"))]
    assert elsewhere == []
    lab.console.check()


def test_what_the_visitor_writes_is_run(lab: TryIt) -> None:
    lab.choose("send_on_open")
    lab.write('print("<b>6 * 7</b> =", 6 * 7)')
    lab.page.keyboard.press("Control+Enter")
    lab.done()
    expect(lab.output).to_have_text("<b>6 * 7</b> = 42")
    # What goes wrong is shown as text too.
    lab.write('import sys\nprint("<b>oh</b>", file=sys.stderr)\nraise ValueError("<img src=x>")')
    lab.run()
    expect(lab.output).to_contain_text("<b>oh</b>")
    expect(lab.output).to_contain_text("ValueError: <img src=x>")
    expect(lab.output.locator("b, img")).to_have_count(0)


def test_the_keyboard_gets_in_and_out(lab: TryIt) -> None:
    lab.choose("send_on_open")
    press = lab.page.keyboard.press
    expect(lab.way("send_on_open")).to_be_focused()
    for name in ("check_ready_state", "queue_until_open"):
        press("Tab")
        expect(lab.way(name)).to_be_focused()
    press("Tab")
    expect(lab.run_button).to_be_focused()
    press("Enter")
    lab.done()
    expect(lab.run_button).to_be_focused()
    press("Tab")
    expect(lab.code).to_be_focused()
    press("Tab")
    expect(lab.code).to_be_focused()
    press("Escape")
    press("Tab")
    expect(lab.output).to_be_focused()


def test_a_program_without_end_is_stopped(lab: TryIt) -> None:
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    lab.page.once("dialog", accept)
    lab.choose("send_on_open")
    lab.write(ENDLESS)
    lab.run_button.click()
    expect(lab.output).to_contain_text("on and on\non and on", timeout=BOOT, use_inner_text=True)
    before = lab.pythons()
    lab.stop_button.click()
    expect(lab.run_button).to_be_visible()
    assert len(asked) == 1
    # What was written is still there, and runs in a new Python.
    expect(lab.code).to_contain_text("on and on")
    lab.choose("queue_until_open")
    expect(lab.code).to_contain_text("flush")
    lab.run()
    expect(lab.output).to_have_text(ECHO, timeout=20_000)
    assert lab.pythons() == before + 1
