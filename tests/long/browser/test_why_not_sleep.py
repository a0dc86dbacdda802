"""The first page: forty handshakes, each given to sleep(1) and to a queue.

Its numbers are compared with the server's journal in tests/pages.
"""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from readystate_server.lab import Server

from .conftest import BOOT, reaches

# The longest of the runs takes half a minute, if nothing else runs.
LONGEST_RUN = 120_000


class Section:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.place = page.locator("#why_not_sleep")
        self.button = self.place.get_by_role("button")
        self.seed = self.place.get_by_role("spinbutton")

    def booted(self) -> Section:
        # The race has begun by itself.
        expect(self.page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
        return self

    def field(self, name: str) -> Locator:
        return self.place.locator(f"[data-field={name}]")

    def network(self, name: str) -> Locator:
        return self.place.locator(f"[name=network][value={name}]")

    def over(self, state: str = "done") -> None:
        expect(self.place).to_have_attribute("data-state", state, timeout=LONGEST_RUN)
        expect(self.button).to_have_text("Start 40 handshakes")

    def reaches(self, name: str, least: int) -> None:
        reaches(self.field(name), least, LONGEST_RUN)


def test_works_with_the_keyboard_and_stops(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/")
    section = Section(page).booted()
    press = page.keyboard.press
    section.network("mobile").focus()
    press("ArrowUp")
    expect(section.network("home")).to_be_checked()
    press("Tab")
    expect(section.seed).to_be_focused()
    press("ArrowUp")
    expect(section.seed).to_have_value("7")
    for shown in section.place.locator("pre").all():
        press("Tab")
        expect(shown).to_be_focused()
    press("Tab")
    expect(section.button).to_be_focused()
    press("Enter")
    expect(section.button).to_have_text("Stop")
    expect(section.button).to_be_focused()
    section.reaches("measured", 3)
    press("Enter")
    section.over("stopped")
    expect(section.button).to_be_focused()
