"""The first page: a QueuedWebSocket whose connection the visitor breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from readystate_server.lab import Server
from readystate_server.testing import Console
from tests.browsers import ROOT

from .conftest import PageAs
from .test_lab import hold_python

WAYS = ("nothing", "heartbeat", "session")
FAULTS = ("drop", "refuse", "restart", "half-open", "offline")
ACCOUNT = ("accepted", "confirmed", "dropped", "waiting", "unconfirmed")
BOOT = 60_000
# Firefox may wait for a minute before it connects to a server again where many connections failed.
PATIENCE = 75_000

# Notes each account that the page shows, and each announcement of an attempt.
WATCH = """() => {
    const read = (name) => document.querySelector(`#break_it [data-field=${name}]`).textContent;
    const names = ["accepted", "confirmed", "dropped", "waiting", "unconfirmed"];
    window.accounts = [];
    window.attempts = [];
    window.observer?.disconnect();
    window.observer = new MutationObserver(() => {
        accounts.push([...names.map((name) => Number(read(name))), read("balance")]);
        attempts.push(read("attempt"));
    });
    const options = { subtree: true, childList: true, characterData: true };
    observer.observe(document.querySelector("#break_it .result"), options);
}"""


class Lab:
    """The section of the page, as its visitor sees it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.console = Console(page, warnings=True)
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

    def start(self, way: str) -> str:
        """Begins a stream of 100 messages a second; returns the id of its connections."""
        before = self.section.get_attribute("data-id")
        self.choose(way)
        self.rate.fill("100")
        self.page.evaluate(WATCH)
        self.stream.click()
        expect(self.section).to_have_attribute("data-state", "running", timeout=PATIENCE)
        self.at_least("confirmed", 30)
        id = self.section.get_attribute("data-id")
        assert id is not None
        assert id != before
        return id

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

    def stop(self) -> None:
        self.stream.click()
        self.over()

    def over(self) -> None:
        expect(self.section).to_have_attribute("data-state", "over", timeout=PATIENCE)
        expect(self.stream).to_have_text("Start")

    def account(self) -> dict[str, int]:
        return {name: self.number(name) for name in ACCOUNT}

    def assert_never_off(self) -> None:
        """Each account that was shown added up, in its fields and in its line."""
        shown = self.page.evaluate("accounts")
        assert len(shown) >= 10
        for *numbers, line in shown:
            accepted, *parts = numbers
            assert accepted == sum(parts), shown
            assert line == f"{accepted} = {' + '.join(map(str, parts))}"
        expect(self.section).to_have_attribute("data-off", "0")
        expect(self.field("checks")).to_contain_text("off by 0 at worst")

    def assert_no_complaint(self) -> None:
        self.console.check()
        expect(self.page.locator(".trouble:visible")).to_have_count(0)


@pytest.fixture(scope="module")
def server(browser: Browser, server: Server) -> Iterator[Server]:
    """One of its own, to which no connection has failed yet."""
    with Server() as own:
        yield own


@pytest.fixture(scope="module")
def opened(browser: Browser, server: Server) -> Iterator[Lab]:
    """One page for the runs that follow each other, as a visitor would have it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield Lab(context.new_page(), server.url).booted()
    context.close()


@pytest.fixture
def lab(opened: Lab) -> Iterator[Lab]:
    """The page with no stream running."""
    yield opened
    if opened.section.get_attribute("data-state") in ("running", "stopping"):
        opened.stop()
    opened.assert_no_complaint()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def arrivals(server: Server, id: str, way: str) -> list[int]:
    """The numbers in the server's journal, as they came."""
    entries = server.journal(f"{id}/session" if way == "session" else id)
    messages = [message for entry in entries for message in entry["messages"]]
    return [int(message["data"]) for message in sorted(messages, key=lambda found: found["order"])]


def break_it(lab: Lab, server: Server, way: str, fault: str, id: str) -> None:
    """Presses the button, and sees that what the page says of it happens."""
    if way == "heartbeat":
        # So that some have arrived that no reply has confirmed yet.
        lab.at_least("unconfirmed", 20)
    lab.fault(fault).click()
    expect(lab.field("said")).to_contain_text(f"{fault.capitalize()}, after")
    if fault == "restart" and way == "session":
        lab.over()
        return
    if fault == "half-open" and way == "nothing":
        # Nobody finds out, ever: it goes on and on.
        lab.at_least("lost", 100)
        expect(lab.field("state")).to_have_text("OPEN")
        assert lab.number("reconnects") == 0
        return
    if fault == "offline":
        lab.attempts(3)
        for other in FAULTS[:-1]:
            expect(lab.fault(other)).to_have_attribute("aria-disabled", "true")
        box = lab.section.locator("path.waiting").evaluate("path => path.getBBox().height")
        assert box > 0
        assert lab.number("reconnects") == 0
        expect(lab.fault("offline")).to_have_text("Go online")
        lab.fault("offline").click()
        expect(lab.fault("offline")).to_have_text("Go offline")
    lab.reconnected()
    if fault in ("refuse", "offline"):
        assert any(not entry["opened"] for entry in server.journal(id))
    if fault == "half-open":
        # The connection was lost and not closed, neither by the server nor by its TCP.
        assert [entry["opened"] for entry in server.journal(id)] == [True, True]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_each_fault_does_what_the_page_says(lab: Lab, server: Server, way: str, fault: str) -> None:
    id = lab.start(way)
    break_it(lab, server, way, fault, id)
    if lab.section.get_attribute("data-state") != "over":
        lab.stop()
    lab.assert_never_off()
    account = lab.account()
    assert account["waiting"] == account["unconfirmed"] == 0
    assert lab.number("CONFIRMED") == account["confirmed"]
    assert lab.number("DROPPED") == account["dropped"]

    numbers = arrivals(server, id, way)
    distinct = set(numbers)
    assert distinct <= set(range(account["accepted"]))
    assert lab.number("received") == len(distinct)
    assert lab.number("twice") == len(numbers) - len(distinct)
    assert lab.number("missing") == account["accepted"] - len(distinct)
    first_times = list(dict.fromkeys(numbers))
    assert first_times == sorted(first_times)
    assert lab.number("disorder") == 0
    lost = lab.number("lost")
    if way == "nothing":
        assert lost == account["confirmed"] - len(distinct) > 0
        assert len(numbers) == len(distinct)
        expect(lab.verdict).to_have_text(re.compile(rf"^{lost:,} messages lost: CONFIRMED"))
    elif way == "heartbeat":
        assert account["dropped"] == lost == 0
        assert distinct == set(range(account["accepted"]))
        assert len(numbers) > len(distinct)
        expect(lab.verdict).to_contain_text(f"{len(numbers) - len(distinct):,} message")
        expect(lab.verdict).to_contain_text("arrived twice")
    elif fault == "restart":
        # What is confirmed has arrived; what is not is reported, whether it has arrived or not.
        assert numbers == list(range(len(numbers)))
        assert account["confirmed"] <= len(numbers) < account["accepted"]
        assert account["dropped"] > 0
        assert lost == 0
        expect(lab.verdict).to_contain_text("SessionExpired")
        expect(lab.verdict).to_contain_text(f"{account['dropped']:,} messages unconfirmed")
        arrived = len(numbers) - account["confirmed"]
        expect(lab.verdict).to_contain_text(f"Of these, {arrived:,} had arrived")
    else:
        assert numbers == list(range(account["accepted"]))
        assert account["dropped"] == lost == 0
        expect(lab.verdict).to_contain_text("exactly once, in order")


def test_the_wait_for_the_next_attempt_is_counted_down(lab: Lab) -> None:
    lab.start("heartbeat")
    lab.fault("offline").click()
    lab.attempts(6)
    lab.fault("offline").click()
    waits: dict[str, list[float]] = {}
    for text in lab.page.evaluate("attempts"):
        if match := re.fullmatch(r"in (\d+\.\d) s, attempt (\d+)", text):
            waits.setdefault(match[2], []).append(float(match[1]))
    assert waits
    assert all(found == sorted(found, reverse=True) for found in waits.values()), waits
    assert any(found[0] > found[-1] for found in waits.values())


def test_the_switch_begins_anew(lab: Lab, server: Server) -> None:
    first = lab.start("nothing")
    assert "heartbeat=" not in lab.section.locator("pre").inner_text()
    lab.choose("heartbeat")
    expect(lab.section).not_to_have_attribute("data-id", first)
    assert "heartbeat=" in lab.section.locator("pre").inner_text()
    lab.at_least("confirmed", 30)
    expect(lab.section).to_have_attribute("data-state", "running")
    assert server.journal(first, closed=1)
    second = lab.section.get_attribute("data-id")
    lab.choose("session")
    expect(lab.section).not_to_have_attribute("data-id", str(second))
    lab.at_least("confirmed", 30)
    third = lab.section.get_attribute("data-id")
    lab.stop()
    # The slider gave the rate, and each stream is counted from its own beginning.
    assert arrivals(server, str(third), "session") == list(range(lab.number("accepted")))


def test_the_slider_sets_the_rate(lab: Lab) -> None:
    lab.start("session")
    lab.rate.press("Home")
    expect(lab.rate).to_have_attribute("aria-valuetext", "1 message a second")
    # What was accepted before is shown when one more is.
    lab.at_least("accepted", lab.number("accepted") + 1)
    lab.at_least("accepted", lab.number("accepted") + 1)
    before = lab.number("accepted")
    lab.at_least("accepted", before + 1)
    assert lab.number("accepted") <= before + 10
    lab.rate.press("End")
    expect(lab.field("speed")).to_have_text("100 messages a second")
    lab.at_least("accepted", before + 100)


def test_works_with_the_keyboard(lab: Lab) -> None:
    """In the order of the page, and the focus stays where it is."""
    lab.choose("nothing")
    lab.rate.fill("100")
    press = lab.page.keyboard.press
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


def test_without_a_stream_nothing_is_broken(page: Page, server: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    lab = Lab(page, server.url).booted()
    for fault in FAULTS:
        expect(lab.fault(fault)).to_have_attribute("aria-disabled", "true")
        lab.fault(fault).click(force=True)
    lab.start("session")
    lab.stop()
    # What breaks by itself is further up.
    above = {lane.get_attribute("data-id") for lane in page.locator("[data-lane]").all()}
    faults = {url.partition("/faults/")[2].partition("?")[0] for url in asked if "/faults/" in url}
    assert faults <= above
    lab.assert_no_complaint()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves(browser: Browser, server: Server, width: int) -> None:
    """From before Python is there until the longest sentence has been said."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    release = hold_python(page)
    lab = Lab(page, server.url)
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    expect(lab.section.get_by_role("heading", name="Break it")).to_be_visible()
    expect(lab.stream).to_be_disabled()
    heights = """() => [...document.querySelectorAll("#break_it, #break_it .bench *")]
        .filter((element) => !element.closest("svg, code, .unseen"))
        .filter((element) => getComputedStyle(element).display !== "inline")
        .map((element) => {
            const name = element.dataset.field ?? element.className ?? "";
            const { height } = element.getBoundingClientRect();
            return `${element.tagName} ${name} ${Math.round(height)}`;
        })"""
    before = page.evaluate(heights)
    release()
    lab.booted()
    lab.start("session")
    lab.fault("offline").click()
    lab.attempts(2)
    assert set(page.evaluate(heights)) - set(before) == set()
    lab.fault("offline").click()
    lab.reconnected()
    lab.fault("restart").click()
    lab.over()
    expect(lab.verdict).to_contain_text("SessionExpired")
    assert set(page.evaluate(heights)) - set(before) == set()
    page.close()


def test_less_motion_for_those_who_prefer_it(
    launch_browser: Callable[..., Browser], browser_name: str, server: Server
) -> None:
    # A stock Firefox takes that from its preferences only.
    still = {"firefox_user_prefs": {"ui.prefersReducedMotion": 1}}
    browser = launch_browser(**(still if browser_name == "firefox" else {}))
    lab = Lab(browser.new_page(reduced_motion="reduce"), server.url).booted()
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
    browser.close()


def test_a_server_that_goes_away_is_missed(page: Page) -> None:
    with Server() as server:
        lab = Lab(page, server.url).booted()
        lab.start("heartbeat")
    expect(lab.field("journal")).to_contain_text("is out of reach", timeout=PATIENCE)
    lab.attempts(2)
    lab.fault("drop").click()
    expect(lab.field("said")).to_contain_text("is out of reach", timeout=PATIENCE)
    with Server(port=server.port):
        expect(lab.field("state")).to_have_text("OPEN", timeout=PATIENCE)
        # It has an empty journal: what was there is missing.
        lab.at_least("missing", 1)
        expect(lab.field("journal")).to_contain_text("Lost: the client", timeout=PATIENCE)
    lab.assert_never_off()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits(
    page_as: PageAs,
    browser_name: str,
    server: Server,
    width: int,
    scheme: Any,
) -> None:
    page = page_as(scheme, width=width)
    lab = Lab(page, server.url).booted()
    lab.start("heartbeat")
    lab.fault("drop").click()
    lab.reconnected()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    path = ROOT / "artifacts" / "lab" / f"break-it-{browser_name}-{width}-{scheme}.png"
    lab.section.screenshot(path=path)
    lab.assert_no_complaint()
