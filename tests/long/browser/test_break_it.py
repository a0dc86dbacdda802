"""The first page: a QueuedWebSocket whose connection the visitor breaks.

What each fault does, and the account, are compared with the server's journal in tests/pages.
"""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from readystate_server.lab import Server

from .conftest import BOOT, PATIENCE, PageAs, reaches

FAULTS = ("drop", "refuse", "restart", "half-open", "offline")


class Lab:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.section = page.locator("#break_it")
        self.stream = self.section.get_by_role("button", name=re.compile("^(Start|Stop)$"))
        self.rate = self.section.get_by_role("slider")
        self.verdict = self.section.locator(".verdict")

    def booted(self) -> Lab:
        expect(self.stream).to_be_enabled(timeout=BOOT)
        return self

    def field(self, name: str) -> Locator:
        return self.section.locator(f"[data-field={name}]")

    def fault(self, name: str) -> Locator:
        return self.section.locator(f"button[data-fault={name}]")

    def choose(self, way: str) -> None:
        self.section.locator(f"[name=confirms][value={way}]").check()

    def start(self, way: str) -> None:
        """Begins a stream of 100 messages a second."""
        self.choose(way)
        self.rate.fill("100")
        self.stream.click()
        expect(self.section).to_have_attribute("data-state", "running", timeout=PATIENCE)
        reaches(self.field("confirmed"), 30)

    def reconnected(self) -> None:
        reaches(self.field("reconnects"), 1)
        expect(self.field("state")).to_have_text("OPEN", timeout=PATIENCE)
        # And what is sent from now on arrives.
        reaches(self.field("received"), int(self.field("received").inner_text()) + 50)

    def over(self) -> None:
        expect(self.section).to_have_attribute("data-state", "over", timeout=PATIENCE)
        expect(self.stream).to_have_text("Start")


def test_works_with_the_keyboard(page: Page, server: Server) -> None:
    """In the order of the page, and the focus stays where it is."""
    page.goto(f"{server.url}/")
    lab = Lab(page).booted()
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
    reaches(lab.field("confirmed"), 1)
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


def test_less_motion_for_those_who_prefer_it(page_as: PageAs, server: Server) -> None:
    page = page_as("light", motion="reduce")
    page.goto(f"{server.url}/")
    lab = Lab(page).booted()
    lab.start("session")
    times = page.evaluate(
        """() => new Promise((resolve) => {
            const times = [];
            const observer = new MutationObserver(() => {
                if (times.push(performance.now()) === 4) resolve(times);
            });
            observer.observe(document.querySelector("path.unconfirmed"), { attributes: true });
        })"""
    )
    assert times[-1] - times[0] >= 2_500
