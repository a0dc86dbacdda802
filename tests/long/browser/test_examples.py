"""The examples, as a visitor sees them."""

from __future__ import annotations

import re
import textwrap
import uuid
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

import readystate
from readystate_server.lab import Server
from tests.browser.test_pages import EXAMPLES
from tests.browsers import ROOT

from .conftest import BOOT, BOTH_SCHEMES, PATIENCE, WEB, Look, PageAs, listen


class Chatter:
    """Somebody at examples/chat.html, and what the page complains of."""

    def __init__(self, page: Page, url: str, room: str) -> None:
        self.id = uuid.uuid4().hex
        self.page = page
        self.console = listen(page)
        with page.expect_request("**/wheel/readystate-*.whl", timeout=BOOT):
            page.goto(f"{url}/examples/chat.html?room={room}&id={self.id}")
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


def script(html: str) -> str:
    """The Python of a page."""
    [source] = re.findall(r'<script type="py".*?>\n(.*?)</script>', html, re.DOTALL)
    return textwrap.dedent(source.rstrip(" "))


def test_hello_has_the_lines_of_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "websocket.md").read_text(encoding="utf-8")
    lines = script(guide).strip()
    hello = script((WEB / "examples" / "hello.html").read_text(encoding="utf-8"))
    address = re.compile(r'WebSocket\(".*?"\)')
    assert lines.startswith("from readystate import")
    assert address.sub("", hello).endswith(f"\n{address.sub('', lines)}\n")
    assert "wheel/readystate.whl" in guide


def test_the_wheels_that_are_named_are_the_ones_that_are_built() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (WEB / "examples").rglob("*.html")]
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
    expect(ada.page.locator(".trouble")).to_have_count(0)


@BOTH_SCHEMES
@pytest.mark.parametrize("name", EXAMPLES)
def test_it_works_and_fits(
    page_as: PageAs, look: Look, server: Server, name: str, scheme: Any
) -> None:
    """On a phone and on a desk."""
    page = page_as(scheme)
    console = listen(page)
    EXAMPLES[name](page, server.url)
    console.check()
    expect(page.locator(".trouble")).to_have_count(0)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        look(page, f"examples/{name}", scheme)
