"""The first page as a page: nothing moves, all of it fits, and can be used by everybody."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from readystate_server.lab import Server

from .conftest import BOOT, BOTH_SCHEMES, BOTH_WIDTHS, PATIENCE, WEB, Look, PageAs, hold_python
from .test_break_it import Lab
from .test_lab import expect_run
from .test_lab_try_it import TryIt
from .test_why_not_sleep import Section

# What has moved without the visitor's doing, and by how much.
WATCH = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries()) {
            const names = sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
            if (!hadRecentInput) shifts.push([value, names]);
        }
    }).observe({ type: "layout-shift", buffered: true });
"""

# What axe-core finds, in short.
AXE = """async () => (await axe.run()).violations.map(({ id, help, nodes }) =>
    [id, help, nodes.map(({ html, failureSummary }) => [html, failureSummary])])"""
[AXE_CORE] = (WEB / "vendor").glob("axe-core@*/axe.min.js")


def heights(section: Locator) -> set[str]:
    """How high each part of a section of the first page is that has a place of its own."""
    found = section.evaluate(
        """(section) => [section, ...section.querySelectorAll(".bench *")]
            .filter((element) => !element.closest("svg *, code, .unseen"))
            .filter((element) => getComputedStyle(element).display !== "inline")
            .map((element) => {
                const name = element.dataset.field ?? element.getAttribute("class");
                const { height } = element.getBoundingClientRect();
                return `${element.tagName} ${name} ${Math.round(height)}`;
            })"""
    )
    return set(found)


@pytest.mark.only_browser("chromium")  # Others do not measure it.
@BOTH_WIDTHS
def test_nothing_moves_by_itself(page: Page, server: Server, width: int) -> None:
    """From the first paint on, over the boot and a run of each part."""
    # So high that nothing can move out of sight; which makes the values small.
    height = 16_000
    page.set_viewport_size({"width": width, "height": height})
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/")
    expect_run(page)
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("#lab")).to_have_attribute("data-state", "running")
    expect_run(page)
    page.get_by_role("button", name="Run the calls").click()
    expect(page.locator("#exceptions")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="The open event").click()
    page.locator("#try_it").get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#try_it")).to_have_attribute("data-state", "done", timeout=BOOT)
    shifts = page.evaluate("shifts")
    # In an ordinary window. A line of text put in at the top of the page would come to 0.01.
    assert sum(value for value, _ in shifts) * height / 900 < 0.002, shifts


@BOTH_WIDTHS
def test_nothing_moves(page: Page, server: Server, width: int) -> None:
    """From before Python is there until the longest sentences have been said."""
    page.set_viewport_size({"width": width, "height": 900})
    release = hold_python(page)
    page.goto(f"{server.url}/")
    lab, sleep = Lab(page), Section(page)
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    for section, button in ((lab.section, lab.stream), (sleep.place, sleep.button)):
        expect(section.get_by_role("heading").first).to_be_visible()
        expect(button).to_be_disabled()
    before, before_sleep = heights(lab.section), heights(sleep.place)
    release()
    sleep.booted()
    sleep.button.click()
    sleep.reaches("sleep_failed", 1)
    assert heights(sleep.place) <= before_sleep
    sleep.button.click()
    sleep.over("stopped")
    assert heights(sleep.place) <= before_sleep
    lab.start("session")
    lab.fault("offline").click()
    expect(lab.field("attempt")).to_have_text(re.compile("attempt [2-9]"), timeout=PATIENCE)
    assert heights(lab.section) <= before
    lab.fault("offline").click()
    lab.reconnected()
    lab.fault("restart").click()
    lab.over()
    expect(lab.verdict).to_contain_text("SessionExpired")
    assert heights(lab.section) <= before


@BOTH_SCHEMES
@BOTH_WIDTHS
def test_each_part_fits(
    page_as: PageAs, look: Look, server: Server, width: int, scheme: Any
) -> None:
    """After it has run."""
    page = page_as(scheme, width=width)
    editor = TryIt(page, f"{server.url}/")
    expect_run(page)
    look(page, "lab/race", scheme)
    lab, sleep = Lab(page), Section(page)
    lab.start("heartbeat")
    lab.fault("drop").click()
    lab.reconnected()
    look(lab.section, "lab/break-it", scheme)
    lab.stream.click()
    lab.over()
    sleep.button.click()
    sleep.reaches("sleep_failed", 1)
    sleep.button.click()
    sleep.over("stopped")
    look(sleep.place, "lab/why-not-sleep", scheme)
    editor.choose("send_at_once")
    page.get_by_role("button", name="Run the calls").click()
    expect(page.locator("#exceptions")).to_have_attribute("data-state", "done", timeout=BOOT)
    editor.run()
    expect(editor.output).to_contain_text("InvalidStateError")
    for part in ("exceptions", "try_it", "examples", "server"):
        look(page.locator(f"#{part}"), f"lab/{part}", scheme)
    editor.console.check()


def test_the_navigation_leads_to_its_sections(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/")
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator(str(link.get_attribute("href")))).to_be_in_viewport()


@BOTH_SCHEMES
def test_axe_reports_nothing(page_as: PageAs, server: Server, scheme: Any) -> None:
    page = page_as(scheme)
    page.goto(f"{server.url}/")
    page.add_script_tag(path=AXE_CORE)
    assert page.evaluate(AXE) == []  # while Python is loaded
    expect_run(page)
    page.get_by_text("The code of both").click()
    page.get_by_role("button", name="Run the calls").click()
    expect(page.locator("#exceptions")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="The open event").click()
    expect(page.locator("#try_it")).to_have_attribute("data-state", "ready", timeout=BOOT)
    for width in (390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function("width => innerWidth === width", arg=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(AXE) == []


@pytest.mark.complains
def test_the_examples_are_shown_with_their_sources(page: Page, server: Server) -> None:
    source = "<!doctype html>\n<p>Hello, <b>you</b> &amp; me</p>\n"

    def answer(route: Route) -> None:
        route.fulfill(body=source, content_type="text/html")

    page.route("**/examples/hello.html", answer)
    page.route("**/examples/chat.html", lambda route: route.fulfill(status=404, body=""))
    page.goto(f"{server.url}/")
    section = page.locator("#examples")
    # Opened before Python is there.
    section.get_by_text("Source of Hello").click()
    shown = section.get_by_role("group", name="Source of Hello")
    expect(shown.locator("code")).to_have_text(source, timeout=BOOT)
    section.get_by_text("Source of Chat").click()
    expect(section.get_by_role("group", name="Source of Chat")).to_contain_text(
        "could not be loaded"
    )
    linked = {str(link.get_attribute("href")) for link in section.get_by_role("link").all()}
    existing = {f"examples/{path.name}" for path in (WEB / "examples").glob("*.html")}
    assert existing == linked
    section.get_by_role("link", name="Hello").click()
    expect(page.locator("p")).to_have_text("Hello, you & me")
