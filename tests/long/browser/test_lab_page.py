"""The first page as a page: nothing moves, all has a name and can be read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from readystate_server.lab import Server

from .conftest import PageAs
from .test_lab import WEB, complaints

BOOT = 60_000

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

# Text that has too little contrast with what is behind it, by WCAG 2, AA.
FAINT = """() => {
    const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const channels = (color) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => {
        const [r, g, b] = channels(color).map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const { backgroundColor } = getComputedStyle(at);
            if (channels(backgroundColor)[3] === 255) return backgroundColor;
        }
        return "Canvas";
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
            .map((node) => node.textContent).join("").trim();
        const isInactive = element.matches(":disabled, [aria-disabled=true]");
        const isShown = element.checkVisibility() && !element.closest("svg, script");
        if (!text || isInactive || !isShown) continue;
        const { color, fontSize, fontWeight } = getComputedStyle(element);
        const [dark, light] = [color, behind(element)].map(luminance).sort((a, b) => a - b);
        const size = parseFloat(fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && fontWeight >= 700);
        const contrast = (light + 0.05) / (dark + 0.05);
        if (contrast < (isLarge ? 3 : 4.5)) found.push([text, contrast, color, behind(element)]);
    }
    return found;
}"""

# What a screen reader would have no name for.
NAMELESS = """() => [
    ...document.querySelectorAll("a, button, input, textarea, summary, [role=img], [tabindex]"),
].filter((element) => {
        const labelled = (element.getAttribute("aria-labelledby") ?? "").split(" ")
            .map((id) => document.getElementById(id)?.textContent ?? "").join("");
        const labels = [...(element.labels ?? [])].map((label) => label.textContent).join("");
        const own = element.getAttribute("aria-label") || element.textContent;
        return !(own + labelled + labels).trim();
    })
    .map((element) => element.outerHTML)"""


# What axe-core finds, in short.
AXE = """async () => (await axe.run()).violations.map(({ id, help, nodes }) =>
    [id, help, nodes.map(({ html, failureSummary }) => [html, failureSummary])])"""
[AXE_CORE] = (WEB / "vendor").glob("axe-core@*/axe.min.js")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.mark.only_browser("chromium")  # Others do not measure it.
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves_by_itself(browser: Browser, server: Server, width: int) -> None:
    """From the first paint on, over the boot and a run of each part."""
    # So high that nothing can move out of sight; which makes the values small.
    height = 16_000
    page = browser.new_page(viewport={"width": width, "height": height})
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/")
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("#lab")).to_have_attribute("data-state", "running")
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="Run the calls").click()
    expect(page.locator("#exceptions")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="The open event").click()
    page.locator("#try_it").get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#try_it")).to_have_attribute("data-state", "done", timeout=BOOT)
    shifts = page.evaluate("shifts")
    # In an ordinary window. A line of text put in at the top of the page would come to 0.01.
    assert sum(value for value, _ in shifts) * height / 900 < 0.002, shifts
    page.close()


def test_all_has_a_name_and_contrast(page: Page, server: Server) -> None:
    said = complaints(page)
    page.goto(f"{server.url}/")
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="Run the calls").click()
    expect(page.locator("#exceptions")).to_have_attribute("data-state", "done", timeout=BOOT)
    page.get_by_role("button", name="The open event").click()
    expect(page.locator("#try_it")).to_have_attribute("data-state", "ready", timeout=BOOT)
    assert page.evaluate(NAMELESS) == []
    schemes: tuple[Any, ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(FAINT) == []
    # Headings of each level are below one of the level above.
    levels = [
        int(name[1])
        for name in page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => heading.tagName)"
        )
    ]
    assert levels[0] == levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    # Nothing is reached by the tab key in another order than that of the page.
    assert page.locator("[tabindex]:not([tabindex='0'], [tabindex='-1'])").count() == 0
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.focus()
        page.keyboard.press("Enter")
        target = page.locator(str(link.get_attribute("href")))
        expect(target).to_be_in_viewport()
    assert [text for text in said if "CLOSING or CLOSED" not in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_reports_nothing(page_as: PageAs, server: Server, scheme: Any) -> None:
    page = page_as(scheme)
    page.goto(f"{server.url}/")
    page.add_script_tag(path=AXE_CORE)
    assert page.evaluate(AXE) == []  # while Python is loaded
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
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
