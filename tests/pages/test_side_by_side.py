"""Side by side: what a bare WebSocket loses and a session does not, by the server's journal."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from readystate import Backoff
from readystate_server.lab import Server

from .conftest import OpenFake, alive, load, numbers, until
from .dom import FakePage

LANES = ("bare", "session")


class Both:
    """What a visitor sees and does."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.section = page.one("#side_by_side")
        self.toggle = page.one("#run_both")
        self.breaker = page.one("#break_now")

    def said(self) -> str:
        return str(self.page.one("#side_by_side [data-field=said]").textContent)

    def number(self, lane: str, field: str) -> int:
        return int(
            self.page.one(f"#side_by_side [data-lane={lane}] [data-field={field}]").textContent
        )

    def id(self, lane: str) -> str:
        return str(self.page.one(f"[data-lane={lane}]").getAttribute("data-id"))

    def drawn(self, lane: str, kind: str) -> int:
        return len(self.page.document.querySelectorAll(f"[data-lane={lane}] svg .{kind}"))

    def hide(self, is_hidden: bool) -> None:
        self.page.document.hidden = is_hidden
        self.page.document.dispatch("visibilitychange")

    async def over(self, state: str = "done") -> None:
        await until(lambda: self.section.getAttribute("data-state") == state)

    async def sent(self, count: int) -> None:
        await until(lambda: self.number("session", "sent") >= count)


@pytest.fixture
def both(fake: FakePage) -> Both:
    return Both(fake)


@asynccontextmanager
async def working(count: int = 100, *, breaks: tuple[int, ...] = (10, 75)) -> Any:
    """The section works, with fewer messages than a visitor sees, four times as fast."""
    module = load("side_by_side")
    module.COUNT, module.RATE, module.BREAKS = count, 80.0, breaks
    module.TICK = module.LOOK = 0.05
    module.DEAF = 0.2
    module.Backoff = lambda first, longest: Backoff(first / 5, longest / 5)
    async with alive(module.main()):
        yield


async def test_the_bare_one_loses_what_the_session_does_not(both: Both, server: Server) -> None:
    async with working():
        # By itself.
        await both.over()
    bare = numbers(server, both.id("bare"))
    lost = 100 - len(bare)
    assert lost > 0
    assert len(set(bare)) == len(bare)
    for field, number in (("sent", 100), ("arrived", len(bare)), ("lost", lost)):
        assert both.number("bare", field) == number
    assert numbers(server, f"{both.id('session')}/session") == list(range(100))
    for field, number in (("sent", 100), ("arrived", 100), ("lost", 0)):
        assert both.number("session", field) == number
    drops = [entry["close"] for entry in server.journal(both.id("bare"))]
    assert len(drops) == 3
    assert [close["clean"] for close in drops] == [False, False, True]
    assert both.said() == (
        f"The bare WebSocket lost {lost} of 100 messages, and raised no exception. The session "
        "lost none: all 100 arrived, once each and in order."
    )
    for lane in LANES:
        assert both.drawn(lane, "break") == 2
        assert both.drawn(lane, "lost") == both.number(lane, "lost")
        assert both.drawn(lane, "arrived") == both.number(lane, "arrived")
    label = both.page.one("[data-lane=bare] svg.cells").getAttribute("aria-label")
    assert label == f"A bare WebSocket: {100 - lost} of 100 messages arrived, {lost} are lost"


async def test_nothing_is_lost_that_nobody_breaks(both: Both, server: Server) -> None:
    async with working(20, breaks=()):
        await both.over()
    assert both.said().startswith("The bare WebSocket lost none of 20 messages.")
    for lane in LANES:
        assert both.number(lane, "arrived") == 20


async def test_a_visitor_breaks_it_stops_it_and_runs_it_again(both: Both, server: Server) -> None:
    async with working(400, breaks=()):
        await both.sent(20)
        assert both.toggle.textContent == "Stop"
        both.breaker.click()
        await until(lambda: both.number("bare", "lost") > 0)
        both.toggle.click()
        await both.over()
        first = both.id("bare")
        assert both.toggle.textContent == "Run both again"
        assert both.number("bare", "sent") == both.number("session", "arrived") < 400
        # Either button starts it.
        for button in (both.toggle, both.breaker):
            button.click()
            await both.over("running")
            await until(lambda: 5 <= both.number("session", "sent") < 20)
            both.toggle.click()
            await both.over()
    assert both.id("bare") != first
    assert len(server.journal(first, closed=2)) == 2


async def test_a_hidden_page_sends_nothing(both: Both, server: Server) -> None:
    both.page.document.hidden = True
    async with working(40, breaks=()):
        await asyncio.sleep(0.1)
        assert not both.page.one("[data-lane=bare]").getAttribute("data-id")
        both.hide(False)
        await both.sent(5)
        both.hide(True)
        await asyncio.sleep(0.1)
        before = both.number("session", "sent")
        await asyncio.sleep(0.2)
        assert both.number("session", "sent") == before < 40
        both.hide(False)
        await both.over()
    assert both.number("session", "arrived") == 40


async def test_without_a_server_the_page_says_so(open_fake: OpenFake) -> None:
    both = Both(open_fake("http://127.0.0.1:9/"))
    async with working():
        await both.over("failed")
    assert "did not accept a connection" in both.said()
    assert both.toggle.textContent == "Run both again"


async def test_a_server_that_goes_away_is_missed(open_fake: OpenFake) -> None:
    with Server() as server:
        both = Both(open_fake(f"{server.url}/"))
        async with working(400, breaks=()):
            await both.sent(10)
            server.stop()
            await both.over("failed")
        assert "is out of reach" in both.said()


async def test_the_code_shown_is_the_code_that_runs(both: Both) -> None:
    async with working(5, breaks=()):
        await both.over()
    code = both.page.one("[data-field=bare_code]").textContent
    assert code.startswith("class Bare:")
    assert "self.ws.send(message)" in code
    assert "session=Session(" in both.page.one("[data-field=session_code]").textContent
