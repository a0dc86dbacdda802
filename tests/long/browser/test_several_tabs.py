"""The guide's code for one connection of several tabs, as it is written."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.sync_api import Browser, expect

from readystate_server.lab import Server
from readystate_server.testing import open_pyodide
from readystate_server.testing.inpage import new_id
from tests.docs.pages import DOCS, blocks

PATIENCE = 30_000


async def begin(*, code: str) -> None:
    import js

    def show(message: Any) -> None:
        js.document.body.append(f"<{message}>")

    def on_state(change: Any) -> None:
        js.document.body.dataset.state = change.state

    names = {"show": show, "on_state": on_state}
    exec(compile(code, "several-tabs.md", "exec"), globals() | names)  # noqa: S102
    await asyncio.Event().wait()  # at the end of a call, its sockets are closed


OPEN = "body[data-state=OPEN]"
WAITS = "async () => (await navigator.locks.query()).pending.length == 1"
POST = 'text => new BroadcastChannel("feed: send").postMessage(text)'


def test_the_next_tab_takes_over(browser: Browser, server: Server) -> None:
    [block] = blocks(DOCS / "guides" / "several-tabs.md", "python")
    id = new_id()
    code = block.text.replace('"/feed"', f"{server.ws_url('/ws/echo', id=id)!r}, on_state=on_state")
    with open_pyodide(browser, server) as one:
        other = one.page.context.new_page()
        one.start(begin, timeout=300, code=code)
        one.page.wait_for_selector(OPEN, state="attached")
        one.page.evaluate(POST, "a")
        expect(one.page.locator("body")).to_contain_text("<a>", timeout=PATIENCE)
        other.goto(one.page.url)
        other.wait_for_selector("body[data-ready]", state="attached", timeout=60_000)
        second = type(one)(other, one.console)
        second.start(begin, timeout=300, code=code)
        other.wait_for_function(WAITS)
        other.evaluate(POST, "b")
        for page in (one.page, other):
            expect(page.locator("body")).to_contain_text("<b>", timeout=PATIENCE)
        assert len(server.journal(id)) == 1  # one connection for both
        one.page.close()
        other.wait_for_selector(OPEN, state="attached", timeout=PATIENCE)
        other.evaluate(POST, "c")
        expect(other.locator("body")).to_contain_text("<c>", timeout=PATIENCE)
        assert len(server.journal(id)) == 2
