"""The first page: a QueuedWebSocket whose connection the visitor breaks.

What each fault does, and the account, are compared with the server's journal in tests/pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from readystate_server.lab import Server

from .conftest import (
    BOOT,
    BOTH_SCHEMES,
    BOTH_WIDTHS,
    PATIENCE,
    Look,
    PageAs,
    heights,
    hold_python,
    listen,
)

FAULTS = ("drop", "refuse", "restart", "half-open", "offline")

# Notes what is said of the next attempt.
WATCH = """() => {
    const attempt = document.querySelector("#break_it [data-field=attempt]");
    window.attempts = [];
    new MutationObserver(() => attempts.push(attempt.textContent))
        .observe(attempt, { childList: true, characterData: true, subtree: true });
}"""


class Lab:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/")
        self.section = page.locator("#break_it")
        self.stream = self.section.get_by_role("button", name=re.compile("^(Start|Stop)$"))
        self.rate = self.section.get_by_role("slider")
        self.verdict = self.section.locator(".verdict")

    def booted(self) -> Lab:
        expect(self.stream).to_be_enabled(timeout=BOOT)
        return self

    def field(self, name: str) -> Locator:
        return self.section.locator(f"[data-field={name}]")

    def number(self, name: str) -> int:
        return int(self.field(name).inner_text())

    def fault(self, name: str) -> Locator:
        return self.section.locator(f"button[data-fault={name}]")

    def choose(self, way: str) -> None:
        self.section.locator(f"[name=confirms][value={way}]").check()

    def start(self, way: str) -> None:
        """Begins a stream of 100 messages a second."""
        self.choose(way)
        self.rate.fill("100")
        self.page.evaluate(WATCH)
        self.stream.click()
        expect(self.section).to_have_attribute("data-state", "running", timeout=PATIENCE)
        self.at_least("confirmed", 30)

    def at_least(self, name: str, number: int) -> None:
        self.page.wait_for_function(
            """([name, number]) => {
                const field = document.querySelector(`#break_it [data-field=${name}]`);
                return Number(field.textContent) >= number;
            }""",
            arg=[name, number],
            timeout=PATIENCE,
        )

    def attempts(self, number: int) -> None:
        """Waits until so many attempts have been made, or more: some waits are short."""
        self.page.wait_for_function(
            """(number) => {
                const text = document.querySelector("#break_it [data-field=attempt]").textContent;
                return Number(/attempt (\\d+)/.exec(text)?.[1]) >= number;
            }""",
            arg=number,
            timeout=PATIENCE,
        )

    def reconnected(self) -> None:
        self.at_least("reconnects", 1)
        expect(self.field("state")).to_have_text("OPEN", timeout=PATIENCE)
        # And what is sent from now on arrives.
        self.at_least("received", self.number("received") + 50)

    def over(self) -> None:
        expect(self.section).to_have_attribute("data-state", "over", timeout=PATIENCE)
        expect(self.stream).to_have_text("Start")


@pytest.fixture(scope="module")
def server(browser: Browser, server: Server) -> Iterator[Server]:
    """One of its own, to which no connection has failed yet."""
    with Server() as own:
        yield own


def test_the_wait_for_the_next_attempt_is_counted_down(page: Page, server: Server) -> None:
    lab = Lab(page, server.url).booted()
    lab.start("heartbeat")
    lab.fault("offline").click()
    lab.attempts(6)
    lab.fault("offline").click()
    waits: dict[str, list[float]] = {}
    for text in page.evaluate("attempts"):
        if match := re.fullmatch(r"in (\d+\.\d) s, attempt (\d+)", text):
            waits.setdefault(match[2], []).append(float(match[1]))
    assert waits
    assert all(found == sorted(found, reverse=True) for found in waits.values()), waits
    assert any(found[0] > found[-1] for found in waits.values())


def test_works_with_the_keyboard(page: Page, server: Server) -> None:
    """In the order of the page, and the focus stays where it is."""
    lab = Lab(page, server.url).booted()
    lab.choose("nothing")
    lab.rate.fill("100")
    press = page.keyboard.press
    lab.section.locator("[name=confirms][value=nothing]").focus()
    press("ArrowDown")
    expect(lab.section.locator("[value=heartbeat]")).to_be_checked()
    press("Tab")
    expect(lab.section.locator("pre")).to_be_focused()
    press("Tab")
    expect(lab.stream).to_be_focused()
    press("Enter")
    expect(lab.stream).to_have_text("Stop")
    expect(lab.stream).to_be_focused()
    lab.at_least("confirmed", 1)
    press("Tab")
    expect(lab.rate).to_be_focused()
    for fault in FAULTS:
        press("Tab")
        expect(lab.fault(fault)).to_be_focused()
        if fault == "drop":
            press("Enter")
            expect(lab.field("said")).to_contain_text("Drop, after")
            expect(lab.fault(fault)).to_be_focused()
    lab.reconnected()


@BOTH_WIDTHS
def test_nothing_moves(page: Page, server: Server, width: int) -> None:
    """From before Python is there until the longest sentence has been said."""
    page.set_viewport_size({"width": width, "height": 900})
    release = hold_python(page)
    lab = Lab(page, server.url)
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    expect(lab.section.get_by_role("heading", name="Break it")).to_be_visible()
    expect(lab.stream).to_be_disabled()
    before = heights(lab.section)
    release()
    lab.booted()
    lab.start("session")
    lab.fault("offline").click()
    lab.attempts(2)
    assert heights(lab.section) <= before
    lab.fault("offline").click()
    lab.reconnected()
    lab.fault("restart").click()
    lab.over()
    expect(lab.verdict).to_contain_text("SessionExpired")
    assert heights(lab.section) <= before


def test_less_motion_for_those_who_prefer_it(page_as: PageAs, server: Server) -> None:
    lab = Lab(page_as("light", motion="reduce"), server.url).booted()
    lab.start("session")
    times = lab.page.evaluate(
        """() => new Promise((resolve) => {
            const times = [];
            const observer = new MutationObserver(() => {
                if (times.push(performance.now()) === 4) resolve(times);
            });
            observer.observe(document.querySelector("path.unconfirmed"), { attributes: true });
        })"""
    )
    assert times[-1] - times[0] >= 2_500


@BOTH_SCHEMES
@BOTH_WIDTHS
def test_fits(page_as: PageAs, look: Look, server: Server, width: int, scheme: Any) -> None:
    page = page_as(scheme, width=width)
    console = listen(page)
    lab = Lab(page, server.url).booted()
    lab.start("heartbeat")
    lab.fault("drop").click()
    lab.reconnected()
    look(lab.section, "lab/break-it", scheme)
    console.check()
