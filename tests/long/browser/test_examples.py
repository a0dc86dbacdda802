"""The examples, as a visitor sees them."""

from __future__ import annotations

import functools
import re
import textwrap
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import readystate
from readystate_server.lab import Server
from tests.browsers import ROOT

from .conftest import BOOT, BOTH_SCHEMES, PATIENCE, WEB, Look, PageAs, listen

EXAMPLES = WEB / "examples"

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


class Visit:
    """A page, what it complains of, and which wheels it has loaded."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.console = listen(page)
        self.wheels: list[str] = []
        page.on("request", lambda request: self._note(request.url))
        page.goto(url)

    def assert_no_complaint(self) -> None:
        self.console.check()
        expect(self.page.locator(".trouble")).to_have_count(0)

    def _note(self, url: str) -> None:
        name = url.rpartition("/")[2]
        if name.startswith("readystate") and name.endswith(".whl"):
            self.wheels.append(name)


class Chatter(Visit):
    """Somebody at examples/chat.html."""

    def __init__(self, page: Page, url: str, room: str) -> None:
        self.id = uuid.uuid4().hex
        super().__init__(page, f"{url}/examples/chat.html?room={room}&id={self.id}")
        self.state = page.locator("#state")
        self.more = page.locator("#more")
        self.here = page.locator("#here li")
        self.log = page.locator("#log p")

    def join(self, name: str) -> None:
        self.page.get_by_label("Your name").fill(name, timeout=BOOT)
        self.page.get_by_role("button", name="Join").click()

    def say(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def own(self, how: str) -> Locator:
        """Own messages that are waiting, or delivered, or not."""
        return self.log.filter(has=self.page.locator(f"small:text-is('{how}')"))

    def until_heard(self, *lines: str) -> None:
        """Waits until the messages are these, with the names before them, in this order."""
        expect(self.log).to_have_text(list(lines), timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(browser: Browser, server: Server) -> Iterator[Server]:
    """One of its own, to which no connection has failed yet."""
    with Server() as own:
        yield own


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


def open_hello(page: Page, url: str, name: str = "hello") -> Visit:
    visit = Visit(page, f"{url}/examples/{name}.html")
    said = re.compile(r"^InvalidStateError 11 \S.*\non time\nclosed 1000 bye\s*$")
    expect(page.locator("#output")).to_have_text(said, timeout=BOOT)
    assert visit.wheels == ["readystate.whl"][: name == "hello"]
    return visit


def open_plain(page: Page, url: str) -> Visit:
    visit = Visit(page, f"{url}/examples/plain.html")
    expect(page.get_by_role("status")).to_have_text("Connected.", timeout=BOOT)
    for text in ("one", "<b>two</b>"):
        page.get_by_label("Message", exact=True).fill(text)
        page.get_by_role("button", name="Send").click()
        expect(page.locator("li").last).to_have_text(f"received {text}")
    lines = ["sent one", "received one", "sent <b>two</b>", "received <b>two</b>"]
    expect(page.locator("li")).to_have_text(lines)
    return visit


def open_chat(page: Page, url: str) -> Visit:
    visit = Chatter(page, url, uuid.uuid4().hex[:8])
    visit.join("Ada")
    expect(visit.here).to_have_text(["Ada"], timeout=PATIENCE)
    visit.say("Nobody hears me.")
    expect(visit.own("delivered")).to_have_count(1, timeout=PATIENCE)
    return visit


def open_migrate(page: Page, url: str) -> Visit:
    visit = Visit(page, f"{url}/examples/migrate.html")
    expect(page.locator("main")).to_have_attribute("data-state", "done", timeout=PATIENCE)
    for name, texts in MIGRATE.items():
        expect(page.locator(f"#{name} dd")).to_have_text(list(texts))
    expect(page.locator("#megabyte dd")).to_have_text([re.compile(r"^[\d.]+ ms$")] * 2)
    return visit


OPEN: dict[str, Callable[[Page, str], Visit]] = {
    "hello": open_hello,
    "hello_mpy": functools.partial(open_hello, name="hello_mpy"),
    "plain": open_plain,
    "chat": open_chat,
    "migrate": open_migrate,
}


def script(html: str) -> str:
    """The Python of a page."""
    [source] = re.findall(r'<script type="py".*?>\n(.*?)</script>', html, re.DOTALL)
    return textwrap.dedent(source.rstrip(" "))


def test_hello_has_the_lines_of_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "websocket.md").read_text(encoding="utf-8")
    lines = script(guide).strip()
    hello = script((EXAMPLES / "hello.html").read_text(encoding="utf-8"))
    address = re.compile(r'WebSocket\(".*?"\)')
    assert lines.startswith("from readystate import")
    assert address.sub("", hello).endswith(f"\n{address.sub('', lines)}\n")
    assert "wheel/readystate.whl" in guide


def test_the_wheels_that_are_named_are_the_ones_that_are_built() -> None:
    pages = [path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.html")]
    wheels = {name for page in pages for name in re.findall(r"readystate-[\w.-]*?\.whl", page)}
    assert wheels == {f"readystate-{readystate.__version__}-py3-none-any.whl"}


def test_chat(context: BrowserContext, server: Server) -> None:
    room = uuid.uuid4().hex[:8]
    ada = Chatter(context.new_page(), server.url, room)
    bob = Chatter(context.new_page(), server.url, room)
    ada.join("Ada")
    expect(ada.here).to_have_text(["Ada"], timeout=PATIENCE)
    bob.join("<b>Bob</b>")
    for one in (ada, bob):
        expect(one.here).to_have_text(["Ada", "<b>Bob</b>"], timeout=PATIENCE)
        expect(one.state).to_have_text("connected")
        one.page.evaluate("document.title = 'as it was'")

    # Both ways, in order; and all of it is text.
    html = "<script>document.title = 'not as it was'</script> <i>hello</i>"
    for number in range(3):
        ada.say(f"a{number}")
        bob.say(f"b{number} {html}")
    expect(ada.own("delivered")).to_have_count(3, timeout=PATIENCE)
    expect(bob.own("delivered")).to_have_count(3, timeout=PATIENCE)
    for one, own, other in ((ada, "a", "<b>Bob</b> b"), (bob, "b", "Ada a")):
        heard = one.log.filter(has_not_text="You ")
        expect(heard).to_have_text(
            [re.compile(f"^{re.escape(other)}{number}") for number in range(3)], timeout=PATIENCE
        )
        mine = one.log.filter(has_text="You ")
        expect(mine).to_have_text([re.compile(f"^You {own}{number}") for number in range(3)])
        assert one.page.title() == "as it was"
        assert one.page.locator("#talk :is(i, script, li b)").count() == 0
    expect(ada.log.filter(has_text=html)).to_have_count(3)

    # Ada's connection is lost with messages on their way, and more are sent before it is back.
    answer = context.request.post(f"{server.url}/faults/{ada.id}?drop=0.5&refuse=4")
    assert answer.json()["connections"] == 1
    for number in range(3, 6):
        ada.say(f"a{number}")
        bob.say(f"b{number}")
    expect(ada.state).to_have_text("lost", timeout=PATIENCE)
    expect(bob.here).to_have_text(["<b>Bob</b>", "Ada (away)"], timeout=PATIENCE)
    for number in range(6, 9):
        ada.say(f"a{number}")
        bob.say(f"b{number}")
    expect(ada.own("waiting")).to_have_count(6)
    expect(ada.more).to_have_text(re.compile(r"^(: again in \d+ s)?; 6 messages wait$"))
    expect(bob.own("delivered")).to_have_count(9, timeout=PATIENCE)

    # Then nothing is lost, nothing comes twice, and each knows it.
    expect(ada.state).to_have_text("connected", timeout=PATIENCE)
    expect(ada.own("delivered")).to_have_count(9, timeout=PATIENCE)
    expect(ada.more).to_have_text("")
    expect(bob.here).to_have_text(["Ada", "<b>Bob</b>"], timeout=PATIENCE)
    for one, other in ((ada, "<b>Bob</b> b"), (bob, "Ada a")):
        heard = one.log.filter(has_not_text="You ")
        expect(heard).to_have_text(
            [re.compile(f"^{re.escape(other)}{number}") for number in range(9)], timeout=PATIENCE
        )
    # Bob loads the page again: he is gone. The name of somebody who is here cannot be had.
    bob.page.reload()
    expect(ada.here).to_have_text(["Ada"], timeout=PATIENCE)
    bob.join("Ada")
    expect(bob.state).to_have_text("ended", timeout=PATIENCE)
    expect(bob.more).to_have_text(": that name is taken: choose another one")
    bob.join("Bob")
    expect(bob.here).to_have_text(["Ada", "Bob"], timeout=PATIENCE)
    # What was said before is told in the order in which the server had it.
    expect(bob.log).to_have_count(18)
    texts = bob.log.all_inner_texts()
    for name, letter in (("Ada", "a"), ("<b>Bob</b>", "b")):
        said = [text for text in texts if text.startswith(f"{name} ")]
        assert [text.split()[1] for text in said] == [f"{letter}{number}" for number in range(9)]

    bob.page.close()
    expect(ada.here).to_have_text(["Ada"], timeout=PATIENCE)
    for one in (ada, bob):
        one.console.check()
        (wheel,) = set(one.wheels)
        assert wheel.startswith("readystate-")
    expect(ada.page.locator(".trouble")).to_have_count(0)


@BOTH_SCHEMES
@pytest.mark.parametrize("name", OPEN)
def test_it_works_and_fits(
    page_as: PageAs, look: Look, server: Server, name: str, scheme: Any
) -> None:
    """On a phone and on a desk."""
    visit = OPEN[name](page_as(scheme), server.url)
    visit.assert_no_complaint()
    for width in (360, 1280):
        visit.page.set_viewport_size({"width": width, "height": 800})
        look(visit.page, f"examples/{name}", scheme)
