"""The first page: what a WebSocket raises in the visitor's own browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from readystate_server.lab import Server

from .conftest import BOOT, PATIENCE, listen

SYNTAX = ("DOMSyntaxError", "name SyntaxError, code 12")
STATE = ("InvalidStateError", "name InvalidStateError, code 11")
ACCESS = ("InvalidAccessError", "name InvalidAccessError, code 15")
TYPE = ("TypeError", "name TypeError, no code")
# Each call, the same in JavaScript, and what the standard has it throw.
CALLS = {
    'WebSocket("ws://")': ('new WebSocket("ws://")', SYNTAX),
    'WebSocket("ftp://127.0.0.1/")': ('new WebSocket("ftp://127.0.0.1/")', SYNTAX),
    'WebSocket(url + "#fragment")': ('new WebSocket(url + "#fragment")', SYNTAX),
    'WebSocket(url, "a b")': ('new WebSocket(url, "a b")', SYNTAX),
    'WebSocket(url, ["json", "json"])': ('new WebSocket(url, ["json", "json"])', SYNTAX),
    'ws.send("too early")': ('ws.send("too early")', STATE),
    "ws.close(0)": ("ws.close(0)", ACCESS),
    "ws.close(999)": ("ws.close(999)", ACCESS),
    "ws.close(1001)": ("ws.close(1001)", ACCESS),
    "ws.close(2**70)": ("ws.close(2n**70n)", TYPE),
    'ws.close(3000, "x" * 124)': ('ws.close(3000, "x".repeat(124))', SYNTAX),
}
LATE = 'ws.close()\nws.send("four")\nws.send("five!")'
DIFFERENT = """
    const { close } = WebSocket.prototype;
    WebSocket.prototype.close = function (...values) {
        if (values[0] !== 1001) close.apply(this, values);
    };
"""
REFUSED = """
    navigator.clipboard.writeText =
        () => Promise.reject(new DOMException("Not now.", "NotAllowedError"));
"""
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


class Exceptions:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.console = listen(page)
        page.goto(url)
        self.section = page.locator("#exceptions")
        self.start = self.section.get_by_role("button", name="Run the calls")
        self.copy = self.section.get_by_role("button", name="Copy as Markdown")
        self.said = self.section.get_by_role("status")
        self.text = self.section.get_by_role("textbox")

    def run(self) -> Exceptions:
        expect(self.start).to_be_enabled(timeout=BOOT)
        self.start.click()
        expect(self.section).to_have_attribute("data-state", "done", timeout=PATIENCE)
        return self

    def all_well(self) -> None:
        """Runs the calls, whose exceptions are those of the standard."""
        self.run()
        text = f"{len(CALLS) + 1} calls, all of them as the standard has it."
        expect(self.said).to_have_text(text)

    def row(self, call: str) -> Locator:
        """The row of a call."""
        code = self.page.locator("th code", has_text=re.compile(f"^{re.escape(call)}$"))
        return self.section.get_by_role("row").filter(has=code)

    def cell(self, call: str, number: int) -> list[str]:
        """The lines of what a row says by the standard (0) or of this browser (1)."""
        cell = self.row(call).get_by_role("cell").nth(number)
        return [part.inner_text() for part in cell.locator("b, code, p").all()]


@pytest.fixture(scope="module")
def ran(browser: Browser, server: Server) -> Iterator[Exceptions]:
    """The section after its first run."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Exceptions(context.new_page(), f"{server.url}/").run()
    context.close()


def test_each_call_throws_what_the_browser_throws(ran: Exceptions) -> None:
    for call, (script, (kind, details)) in CALLS.items():
        thrown = ran.page.evaluate(
            """(script) => {
                const url = `ws://${location.host}/ws/echo`;
                const ws = new WebSocket(url);
                ws.onopen = () => ws.close();
                try { eval(script); } catch (error) { return error.message; }
            }""",
            script,
        )
        assert ran.cell(call, 0)[:2] == [kind, details]
        assert ran.cell(call, 1) == [kind, details, thrown]


def test_what_is_sent_too_late_is_counted_and_discarded(ran: Exceptions) -> None:
    assert ran.cell(LATE, 0)[:2] == ["no exception", "bufferedAmount is 9"]
    assert ran.cell(LATE, 1)[:2] == ["no exception", "bufferedAmount is 9"]


def test_the_table_is_whole(ran: Exceptions, browser_name: str) -> None:
    count = len(CALLS) + 1
    expect(ran.section.locator("tbody tr")).to_have_count(count)
    expect(ran.said).to_have_text(f"{count} calls, all of them as the standard has it.")
    expect(ran.section.locator(".mark")).to_have_count(0)
    header = ran.section.get_by_role("columnheader").last
    expect(header).to_have_text(re.compile(rf"^In {browser_name} \d+", re.IGNORECASE))
    ran.console.check()


def test_it_is_copied_as_markdown(ran: Exceptions, browser_name: str) -> None:
    ran.copy.focus()
    ran.page.keyboard.press("Enter")
    expect(ran.said).to_have_text("Copied as Markdown.")
    expect(ran.copy).to_be_focused()
    expect(ran.text).to_be_hidden()
    # Pasted, as the visitor would.
    ran.page.evaluate(
        """() => {
            const area = document.createElement("textarea");
            area.id = "paste";
            document.body.append(area);
            area.focus();
        }"""
    )
    ran.page.keyboard.press("ControlOrMeta+V")
    ran.page.wait_for_function("document.querySelector('#paste').value.endsWith('|\\n')")
    title, blank, head, rule, *rows = ran.page.locator("#paste").input_value().splitlines()
    ran.page.locator("#paste").evaluate("area => area.remove()")
    assert re.match(rf"### What a WebSocket raises in {browser_name} \d+", title, re.IGNORECASE)
    assert (blank, set(rule)) == ("", set("| -"))
    assert len(rows) == len(CALLS) + 1
    assert {line.count("|") for line in (head, rule, *rows)} == {7}
    message = ran.cell("ws.close(0)", 1)[2]
    assert rows[6] == (
        "| `ws.close(0)` | InvalidAccessError name InvalidAccessError, code 15 "
        f"| InvalidAccessError | InvalidAccessError | 15 | {message} |"
    )


@pytest.mark.parametrize("clipboard", [REFUSED, NO_CLIPBOARD], ids=["refused", "none"])
def test_what_differs_is_marked_and_shown_if_it_cannot_be_copied(
    browser: Browser, server: Server, clipboard: str
) -> None:
    page = browser.new_page()
    page.add_init_script(DIFFERENT + clipboard)
    lab = Exceptions(page, f"{server.url}/").run()
    expect(lab.said).to_have_text(f"{len(CALLS) + 1} calls, 1 of them not as the standard has it.")
    expect(lab.section.locator("tr[data-differs]")).to_have_count(1)
    expect(lab.row("ws.close(1001)").locator(".mark")).to_have_text("differs")
    kind, details, words = lab.cell("ws.close(1001)", 1)
    # The package raises it all the same.
    assert (kind, details) == ACCESS
    assert "the browser itself threw nothing" in words
    expect(lab.text).to_be_hidden()
    lab.copy.click()
    expect(lab.said).to_contain_text("copy the Markdown from below")
    expect(lab.text).to_be_focused()
    text = lab.text.input_value()
    assert "| InvalidAccessError **differs** |" in text
    assert text.count("differs") == 1
    selected = lab.text.evaluate("area => area.selectionEnd - area.selectionStart")
    assert selected == len(text)
    page.close()
