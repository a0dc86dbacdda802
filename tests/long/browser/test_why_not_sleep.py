"""The first page: forty handshakes, each given to sleep(1) and to a queue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from readystate_server.lab import Server
from tests.browsers import ROOT

from .conftest import PageAs
from .test_lab import BOOT, complaints, hold_python

COUNT = 40
# The longest of the runs takes half a minute, if nothing else runs.
PATIENCE = 120_000


class Section:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints = complaints(page)
        page.goto(f"{url}/")
        self.place = page.locator("#why_not_sleep")
        self.button = self.place.get_by_role("button")
        self.seed = self.place.get_by_role("spinbutton")
        self.verdict = self.place.locator(".verdict")

    def booted(self) -> Section:
        # The race has begun by itself.
        expect(self.page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)
        return self

    def field(self, name: str) -> Locator:
        return self.place.locator(f"[data-field={name}]")

    def network(self, name: str) -> Locator:
        return self.place.locator(f"[name=network][value={name}]")

    def start(self) -> str:
        """Begins a run; returns the id of its connections."""
        before = self.place.get_attribute("data-id")
        self.button.click()
        self.page.wait_for_function(
            """(before) => {
                const { id } = document.querySelector("#why_not_sleep").dataset;
                return id && id !== before;
            }""",
            arg=before,
        )
        return self.id

    def over(self, state: str = "done") -> None:
        expect(self.place).to_have_attribute("data-state", state, timeout=PATIENCE)
        expect(self.button).to_have_text("Start 40 handshakes")

    def measured(self, least: int) -> None:
        """Waits until so many are over."""
        self.page.wait_for_function(
            """(least) => document.querySelector("#why_not_sleep progress").value >= least""",
            arg=least,
            timeout=PATIENCE,
        )

    def failed(self) -> None:
        """Waits until the sleep has failed once."""
        self.page.wait_for_function(
            """() => Number(document.querySelector("[data-field=sleep_failed]").textContent) > 0""",
            timeout=PATIENCE,
        )

    @property
    def id(self) -> str:
        return str(self.place.get_attribute("data-id"))

    def times(self, name: str) -> list[float]:
        return [float(time) for time in str(self.place.get_attribute(f"data-{name}")).split()]

    def assert_says(self, name: str, time: float) -> None:
        """That many milliseconds are shown: whole ones, or tenths of seconds, rounded by itself."""
        number, unit = self.field(name).inner_text().split()
        factor, least = {"ms": (1, 1), "s": (1000, 100)}[unit]
        assert float(number) * factor == pytest.approx(time, abs=0.55 * least)

    def assert_shown(self, failed: int, count: int) -> None:
        """The numbers, the plot and the sentence are those of so many failures."""
        assert self.field("measured").inner_text() == f"{count} of {COUNT}"
        assert self.field("sleep_failed").inner_text() == str(failed)
        assert self.field("sleep_arrived").inner_text() == str(count - failed)
        assert self.field("queue_failed").inner_text() == "0"
        assert self.field("queue_arrived").inner_text() == str(count)
        plot = self.place.locator("svg.handshakes")
        assert plot.locator("circle.flushed").count() == count
        assert plot.locator("use").count() == plot.locator("rect.missed").count() == failed
        assert plot.locator("rect.wasted").count() == count - failed
        sentence = self.verdict.inner_text()
        assert sentence.startswith(
            f"sleep(1) failed {failed} of {count} times" if failed else "sleep(1) never failed"
        )
        assert f"The queue sent all {count}," in sentence
        expect(self.field("outcome")).to_have_text(sentence)
        label = f"Plot of {count} handshakes: {sentence}"
        expect(plot).to_have_attribute("aria-label", label)

    def assert_no_complaint(self) -> None:
        assert self.complaints == []
        expect(self.page.locator(".trouble:visible")).to_have_count(0)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def test_the_numbers_are_those_of_real_handshakes(page: Page, server: Server) -> None:
    section = Section(page, server.url).booted()
    expect(section.network("mobile")).to_be_checked()
    id = section.start()
    section.over()
    expect(section.field("said")).to_have_text("40 handshakes measured.")
    delays, opened, slept = (section.times(name) for name in ("delay", "opened", "slept"))
    entries = server.journal(id, closed=COUNT)

    # The server was asked for these delays, and took them.
    asked = [float(re.findall(r"delay=([\d.]+)", entry["query"])[0]) * 1000 for entry in entries]
    assert asked == pytest.approx(delays, abs=0.1)
    assert all(entry["opened"] and entry["close"]["clean"] for entry in entries)
    for i in range(COUNT):
        assert opened[i] >= delays[i] - 5

    # What the page says of each message is what the server has got.
    arrived = [[message["data"] for message in entry["messages"]] for entry in entries]
    late = ["on open", "after a second"]
    failed = sum(messages == late[:1] for messages in arrived)
    assert failed + sum(messages == late for messages in arrived) == COUNT
    assert failed >= 1
    section.assert_shown(failed, COUNT)
    assert min(slept) >= 1000
    for i in range(COUNT):
        if arrived[i] == late:
            assert opened[i] <= slept[i]
        else:
            assert opened[i] > 1000
    wasted = [slept[i] - opened[i] for i in range(COUNT) if arrived[i] == late]
    section.assert_says("sleep_wasted", sum(wasted))
    section.assert_says("sleep_longest", max(wasted))
    flushed = section.times("flushed")
    assert all(sent >= was_open - 1 for sent, was_open in zip(flushed, opened, strict=True))
    # The queue has waited for next to nothing: all together less than the sleep.
    assert sum(flushed) - sum(opened) < sum(wasted) / 2

    # Another network is another distribution; the same seed draws the same.
    section.network("office").check()
    section.start()
    section.over()
    quick = section.times("delay")
    assert max(quick) < min(1000, max(delays))
    section.start()
    section.over()
    assert section.times("delay") == quick
    section.seed.fill("7")
    section.start()
    section.over()
    assert section.times("delay") != quick
    section.assert_no_complaint()


def test_works_with_the_keyboard_and_stops(page: Page, server: Server) -> None:
    section = Section(page, server.url).booted()
    # The code shown is the code that runs.
    program = re.sub(r"(?m)^ {4}", "", (ROOT / "web" / "why_not_sleep.py").read_text())
    codes = section.place.locator("pre").all_inner_texts()
    assert len(codes) == 2
    for code in codes:
        assert ".send(" in code
        assert f"{code.strip()}\n\n" in program

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
    section.measured(3)
    press("Enter")
    section.over("stopped")
    expect(section.button).to_be_focused()
    count = len(section.times("delay"))
    assert 3 <= count < COUNT
    expect(section.field("said")).to_have_text(f"{count} handshakes measured.")
    # What had begun has come to its end, and nothing else has begun.
    assert len(server.journal(section.id, closed=count)) == count
    assert section.field("queue_arrived").inner_text() == str(count)
    # And it begins anew.
    section.start()
    section.over()
    expect(section.field("measured")).to_have_text("40 of 40")
    section.assert_no_complaint()


def test_a_server_that_is_not_there_is_missed(page: Page) -> None:
    with Server() as server:
        section = Section(page, server.url).booted()
    section.start()
    section.over("failed")
    expect(section.field("said")).to_contain_text("did not accept a connection")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits_and_stays_in_place(
    page_as: PageAs,
    browser_name: str,
    server: Server,
    width: int,
    scheme: Any,
) -> None:
    page = page_as(scheme, width=width)
    release = hold_python(page)
    section = Section(page, server.url)
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    expect(section.place.get_by_role("heading")).to_be_visible()
    expect(section.button).to_be_disabled()
    heights = """() => [...document.querySelectorAll("#why_not_sleep, #why_not_sleep .bench *")]
        .filter((element) => !element.closest("svg *, code, .unseen"))
        .filter((element) => getComputedStyle(element).display !== "inline")
        .map((element) => {
            const name = element.dataset.field ?? element.className.baseVal ?? element.className;
            const { height } = element.getBoundingClientRect();
            return `${element.tagName} ${name} ${Math.round(height)}`;
        })"""
    before = page.evaluate(heights)
    release()
    section.booted()
    section.start()
    section.failed()
    assert set(page.evaluate(heights)) - set(before) == set()
    section.button.click()
    section.over("stopped")
    assert set(page.evaluate(heights)) - set(before) == set()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    path = ROOT / "artifacts" / "lab" / f"why-not-sleep-{browser_name}-{width}-{scheme}.png"
    section.place.screenshot(path=path)
    section.assert_no_complaint()
