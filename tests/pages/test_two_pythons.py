"""The ways of the race in MicroPython beside Pyodide: the frames, and what the page shows."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from readystate_server.lab import Server

from .conftest import alive, load, until
from .dom import FakePage

WAYS = (
    *("send_at_once", "sleep_then_send", "send_queue"),
    *("send_on_open", "check_ready_state", "queue_until_open"),
)


async def test_a_frame_tells_how_each_way_went(fake: FakePage, server: Server) -> None:
    told: list[dict[str, Any]] = []
    query = {"python": "py", "url": server.ws_url("/ws/echo?delay=0.1")}
    fake.js.URLSearchParams = SimpleNamespace(new=lambda _: query)
    fake.js.parent = SimpleNamespace(
        postMessage=lambda text, origin: told.append(json.loads(text) | {"to": origin})
    )
    await load("lap").main()
    assert {each["python"] for each in told} == {"py"}
    assert {each["to"] for each in told} == {fake.js.location.origin}
    start, *laps, end = told
    assert start["started"] > 0
    assert end["over"]
    assert tuple(each["lap"]["way"] for each in laps) == WAYS
    early, late, *others = (each["lap"] for each in laps)
    assert (early["error"], early["answered"], early["lost"]) == ("InvalidStateError", None, 3)
    assert late["answered"] > 500
    assert {(each["error"], each["lost"]) for each in (late, *others)} == {("", 0)}
    assert max(each["answered"] for each in others) < late["answered"]


def lap(way: str, answered: float | None = 1.5, lost: int = 0, error: str = "") -> dict[str, Any]:
    return {"lap": {"way": way, "answered": answered, "lost": lost, "error": error}}


LAPS = (
    lap("send_at_once", None, 3, "InvalidStateError"),
    lap("sleep_then_send", 702.0),
    *(lap(way) for way in WAYS[2:]),
)


class Section:
    """What a visitor sees and does, and frames that tell what they are told."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.place = page.one("#two_pythons")
        self.said = page.one("#two_pythons [data-field=said]")

    def cell(self, row: str, python: str) -> tuple[str, str]:
        found = self.page.one(f"#two_pythons [data-row={row}] [data-python={python}]")
        return str(found.dataset.outcome), str(found.textContent)

    async def frame(self, python: str) -> dict[str, list[str]]:
        """Waits for the frame of one Python; returns its query."""

        def queries() -> list[dict[str, list[str]]]:
            frames = self.page.document.querySelectorAll("#two_pythons iframe")
            parts = [urlsplit(str(frame.getAttribute("src"))) for frame in frames]
            return [parse_qs(part.query) for part in parts if part.path == "lap.html"]

        await until(lambda: [query["python"] for query in queries()] == [[python]])
        return queries()[0]

    def tell(self, python: str, what: dict[str, Any], origin: str | None = None) -> None:
        self.page.post(json.dumps({"python": python, **what}), origin)

    async def lap(self, python: str, started: float, laps: tuple[dict[str, Any], ...]) -> None:
        await self.frame(python)
        self.tell(python, {"started": started, "version": "1.2.3"})
        for each in laps:
            self.tell(python, each)
        self.tell(python, {"over": True})

    async def over(self, state: str) -> None:
        await until(lambda: self.place.getAttribute("data-state") == state)
        assert self.page.document.querySelectorAll("#two_pythons iframe") == []


async def test_the_page_shows_both(fake: FakePage, server: Server) -> None:
    section = Section(fake)
    async with alive(load("two_pythons").main()):
        fake.one("#two_pythons button").click()
        query = await section.frame("mpy")
        assert query["url"] == [server.ws_url("/ws/echo?delay=0.3")]
        # Neither another window nor another frame is believed.
        section.tell("mpy", {"over": True}, "https://elsewhere.example")
        section.tell("py", {"over": True})
        fake.post(42)
        await section.lap("mpy", 180.4, LAPS)
        await section.lap("py", 1900.0, LAPS)
        await section.over("done")
    assert section.cell("start", "mpy") == ("", "180 ms")
    assert section.cell("start", "py") == ("", "1.9 s")
    for python in ("mpy", "py"):
        assert section.cell("send_at_once", python) == ("failed", "InvalidStateError")
        assert section.cell("sleep_then_send", python) == ("late", "702 ms")
        assert [section.cell(way, python) for way in WAYS[2:]] == [("good", "1.5 ms")] * 4
    assert section.said.textContent == (
        "MicroPython had started after 180 ms, Pyodide after 1.9 s. Each way went the same in both."
    )


async def test_the_page_says_where_they_differ(fake: FakePage) -> None:
    section = Section(fake)
    async with alive(load("two_pythons").main()):
        fake.one("#two_pythons button").click()
        await section.lap("mpy", 180.0, (*LAPS[:-1], lap("queue_until_open", 2.0, lost=1)))
        await section.lap("py", 1900.0, LAPS)
        await section.over("done")
    assert section.cell("queue_until_open", "mpy") == ("failed", "1 message lost")
    assert str(section.said.textContent).endswith("They differ in queue_until_open.")


async def test_a_frame_that_never_ends_is_given_up(fake: FakePage) -> None:
    section = Section(fake)
    module = load("two_pythons")
    module.PATIENCE = 0.05
    async with alive(module.main()):
        fake.one("#two_pythons button").click()
        await section.over("failed")
    assert section.said.textContent == "MicroPython has not come to an end within 0.05 s."
