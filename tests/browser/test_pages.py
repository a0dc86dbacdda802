"""Each page as a visitor sees it: it loads, its main button works, nothing complains, it fits.

Only a browser shows that PyScript starts the page's Python, that the page's HTML and style are what
that Python expects, and what is on the console. What the Python does is tested in tests/pages, and
each page from all sides in tests/long/browser.
"""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from readystate_server.lab import Server
from readystate_server.testing import Console

from .conftest import EXPECTED

# Python starts anew in each page, which takes a busy machine half a minute.
pytestmark = pytest.mark.timeout(180)

# How Firefox says that the policy forbids what the test does.
BLOCKED = "The page\u2019s settings blocked a JavaScript eval"
NARROW = 390
PATIENCE = 75_000
IN_CHROMIUM = pytest.mark.only_browser("chromium")
IN_FIREFOX = pytest.mark.only_browser("firefox")
# What both do in examples/migrate.html, by what is tried.
MIGRATE = {
    "early": ("raises JsException", "raises InvalidStateError"),
    "binary": ("is memoryview", "is bytes"),
    "numbers": ("sends 01 02 2c", "sends 01 00 02 00 2c 01"),
    "reason": ('code 1005, reason ""', 'code 1000, reason "bye"'),
    "handler": (
        "an uncaught JavaScript error: ValueError: oops",
        "to the event loop\u2019s exception handler: ValueError('oops')",
    ),
    "listener": (
        "an uncaught JavaScript error: This borrowed proxy was automatically destroyed at the end "
        "of a function call",
        "f is called",
    ),
    "misspelt": ("nothing happens, ever", "raises AttributeError"),
}
WAYS = {"send_at_once": "fails", "sleep_then_send": "late", "ask": "on time"}


@pytest.fixture(scope="module")
def own_server(browser: Browser, server: Server) -> Iterator[Server]:
    """A server to which no connection has failed, so that browsers do not hold back others."""
    with Server() as own:
        yield own


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Iterator[tuple[Page, Console]]:
    """A window that all these tests use, one after the other, as a visitor does."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        console = Console(page, warnings=True)
        console.expected += EXPECTED
        yield page, console


@pytest.fixture
def page(visit: tuple[Page, Console]) -> Iterator[Page]:
    """The window; at the end nothing has complained, and the page fits into a narrow one."""
    page, console = visit
    page.set_viewport_size({"width": 1280, "height": 900})
    yield page
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.wait_for_function("width => innerWidth === width", arg=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    expect(page.locator(".trouble:visible")).to_have_count(0)
    console.check()


@pytest.fixture
def lab(page: Page, own_server: Server) -> Page:
    """The first page, after what runs by itself; it is opened once."""
    if page.url != f"{own_server.url}/":
        page.goto(f"{own_server.url}/")
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=PATIENCE)
    return page


def test_side_by_side(lab: Page) -> None:
    """By itself: a bare WebSocket loses messages, and a session none."""
    bare, session = (lab.locator(f"[data-lane={name}]") for name in ("bare", "session"))
    for lane in (bare, session):
        expect(lane.locator("[data-field=sent]")).to_have_text("120")
    expect(session.locator("[data-field=arrived]")).to_have_text("120")
    expect(session.locator("[data-field=lost]")).to_have_text("0")
    lost = int(bare.locator("[data-field=lost]").inner_text())
    assert lost > 0
    expect(bare.locator("rect.lost")).to_have_count(lost)
    said = lab.locator("#side_by_side [data-field=said]")
    expect(said).to_have_text(re.compile(f"lost {lost} of 120 .* The session lost none"))
    expect(lab.locator("#status")).to_be_hidden()
    # In the first screen, on a phone too.
    lab.set_viewport_size({"width": NARROW, "height": 844})
    for name in ("Get started", "Break it"):
        expect(lab.locator(".actions").get_by_text(name)).to_be_in_viewport(ratio=1)
    expect(session.locator("svg")).to_be_in_viewport(ratio=1)


def test_the_race(lab: Page) -> None:
    for way, outcome in WAYS.items():
        cell = lab.locator(f"#result [data-way={way}] [data-field=outcome]")
        expect(cell).to_have_text(outcome)
    thrown = lab.evaluate(
        """() => {
            const socket = new WebSocket(`ws://${location.host}/ws/sink`);
            try { socket.send(""); } catch (error) { return error.message; }
            finally { socket.onopen = () => socket.close(); }
        }"""
    )
    expect(lab.locator("#send_at_once [data-field=message]")).to_have_text(thrown)


def test_the_race_in_micropython_beside_pyodide(lab: Page) -> None:
    section = lab.locator("#two_pythons")
    section.get_by_role("button").click()
    said = section.get_by_role("status")
    expect(said).to_have_text(re.compile("^MicroPython had started after"), timeout=PATIENCE)
    for python in ("mpy", "py"):
        early, *others = section.locator(f"td[data-outcome][data-python={python}]").all()[1:]
        expect(early).to_have_text("InvalidStateError")
        assert [other.text_content() for other in others if "ms" not in other.inner_text()] == []
        assert len(others) == 5


def test_why_not_sleep(lab: Page) -> None:
    section = lab.locator("#why_not_sleep")
    section.locator("[name=network][value=office]").check()
    section.get_by_role("button").click()
    done = section.locator("[data-field=said]")
    expect(done).to_have_text("40 handshakes measured.", timeout=PATIENCE)
    expect(section.locator("[data-field=queue_arrived]")).to_have_text("40")
    expect(section.locator("svg.handshakes circle.flushed")).to_have_count(40)


def test_break_it(lab: Page) -> None:
    section = lab.locator("#break_it")
    section.locator("[name=confirms][value=session]").check()
    section.get_by_role("button", name="Start", exact=True).click()
    expect(section.locator("[data-field=confirmed]")).not_to_have_text("0", timeout=PATIENCE)
    section.get_by_role("button", name="Drop", exact=True).click()
    expect(section.locator("[data-field=reconnects]")).to_have_text("1", timeout=PATIENCE)
    expect(section.locator("[data-field=state]")).to_have_text("OPEN", timeout=PATIENCE)
    section.get_by_role("button", name="Stop", exact=True).click()
    expect(section).to_have_attribute("data-state", "over", timeout=PATIENCE)
    expect(section.locator("[data-field=verdict]")).to_contain_text("exactly once, in order")
    expect(section).to_have_attribute("data-off", "0")


def test_this_browsers_exceptions(lab: Page) -> None:
    section = lab.locator("#exceptions")
    section.get_by_role("button", name="Run the calls").click()
    said = section.get_by_role("status")
    expect(said).to_have_text("12 calls, all of them as the standard has it.", timeout=PATIENCE)
    expect(section.locator("tbody tr")).to_have_count(12)


def test_try_it(lab: Page) -> None:
    section = lab.locator("#try_it")
    section.get_by_role("button", name="The open event").click()
    section.get_by_role("button", name="Run", exact=True).click()
    echoed = re.compile("^The server has echoed ")
    expect(section.get_by_role("log")).to_have_text(echoed, timeout=PATIENCE)


@IN_CHROMIUM
def test_what_cannot_be_loaded_is_said(visit: tuple[Page, Console], own_server: Server) -> None:
    page, console = visit
    page.route("**/lab.py", lambda route: route.fulfill(status=404, body=""))
    page.goto(f"{own_server.url}/index.html")
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("Python could not be started", timeout=PATIENCE)
    page.unroute("**/lab.py")
    page.goto("about:blank")
    console.complaints.clear()


def hello(page: Page, url: str, name: str = "hello") -> None:
    page.goto(f"{url}/examples/{name}.html")
    said = re.compile(r"^InvalidStateError 11 \S.*\non time\nclosed 1000 bye\s*$")
    expect(page.locator("#output")).to_have_text(said, timeout=PATIENCE)


def plain(page: Page, url: str) -> None:
    page.goto(f"{url}/examples/plain.html")
    expect(page.get_by_role("status")).to_have_text("Connected.", timeout=PATIENCE)
    page.get_by_label("Message", exact=True).fill("<b>one</b>")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("li")).to_have_text(["sent <b>one</b>", "received <b>one</b>"])


def chat(page: Page, url: str) -> None:
    page.goto(f"{url}/examples/chat.html?room={uuid.uuid4().hex[:8]}")
    page.get_by_label("Your name").fill("Ada", timeout=PATIENCE)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#here li")).to_have_text(["Ada"], timeout=PATIENCE)
    page.get_by_label("Message", exact=True).fill("<i>hello</i>")
    page.keyboard.press("Enter")
    delivered = page.locator("#log p").filter(has=page.locator("small:text-is('delivered')"))
    expect(delivered).to_have_count(1, timeout=PATIENCE)
    expect(delivered).to_contain_text("<i>hello</i>")


def migrate(page: Page, url: str) -> None:
    page.goto(f"{url}/examples/migrate.html")
    expect(page.locator("main")).to_have_attribute("data-state", "done", timeout=PATIENCE)
    for name, texts in MIGRATE.items():
        expect(page.locator(f"#{name} dd")).to_have_text(list(texts))
    expect(page.locator("#megabyte dd")).to_have_text([re.compile(r"^[\d.]+ ms$")] * 2)


EXAMPLES: dict[str, Callable[[Page, str], None]] = {
    "hello": hello,
    "hello_mpy": functools.partial(hello, name="hello_mpy"),
    "plain": plain,
    "chat": chat,
    "migrate": migrate,
}
"""What a visitor of an example does and sees; tests/long/browser looks at each in both browsers."""


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=IN_CHROMIUM) for name in ("hello", "chat")),
        *(pytest.param(name, marks=IN_FIREFOX) for name in ("hello_mpy", "migrate")),
    ],
)
def test_an_example(page: Page, own_server: Server, name: str) -> None:
    EXAMPLES[name](page, own_server.url)


@IN_FIREFOX
def test_plain(page: Page, visit: tuple[Page, Console], own_server: Server) -> None:
    """Where a policy forbids inline scripts and eval()."""
    _, console = visit
    plain(page, own_server.url)
    console.check()
    console.expected += (BLOCKED,)
    # Not within evaluate(), which the policy does not bind.
    refused = page.evaluate(
        """() => new Promise((resolve) => setTimeout(() => {
            try { resolve(Function("return 'no'")()); } catch (error) { resolve(error.name); }
        }))"""
    )
    assert refused == "EvalError"


@IN_CHROMIUM
def test_dashboard(page: Page, own_server: Server) -> None:
    page.goto(f"{own_server.url}/examples/dashboard.html?count=1000")
    expect(page.locator("#said")).to_have_text("The server has sent all.", timeout=PATIENCE)
    expect(page.locator("#total")).to_have_text("1,000")


@IN_FIREFOX
def test_worker(page: Page, own_server: Server) -> None:
    page.goto(f"{own_server.url}/examples/worker.html?count=10000")
    page.get_by_role("button", name="Take it in a worker").click(timeout=PATIENCE)
    all_taken = re.compile("^All 10,000 messages have been taken.$")
    expect(page.locator("#said")).to_have_text(all_taken, timeout=PATIENCE)
