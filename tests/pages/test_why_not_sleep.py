"""Why not sleep(1): forty handshakes, each given to a sleep and to a queue."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

from readystate_server.lab import Server

from .conftest import OpenFake, alive, load, until
from .dom import FakePage

COUNT = 40
ROUNDED = 55
"""Milliseconds: the page shows tenths of a second, or less."""


class Section:
    """What a visitor sees and does."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.place = page.one("#why_not_sleep")
        self.button = page.one("#handshakes")

    def text(self, field: str) -> str:
        return str(self.page.one(f"#why_not_sleep [data-field={field}]").textContent)

    def milliseconds(self, field: str) -> float:
        number, unit = self.text(field).split()
        return float(number) * {"ms": 1, "s": 1000}[unit]

    def times(self, name: str) -> list[float]:
        return [float(time) for time in str(self.place.getAttribute(f"data-{name}")).split()]

    def choose(self, network: str, seed: int) -> None:
        for switch in self.page.document.querySelectorAll("#why_not_sleep [name=network]"):
            switch.checked = switch.value == network
        self.page.one("#seed").value = seed

    async def over(self, state: str = "done") -> None:
        await until(lambda: self.place.getAttribute("data-state") == state)
        await until(lambda: self.button.textContent == f"Start {COUNT} handshakes")

    async def run(self) -> str:
        before = self.place.getAttribute("data-id")
        self.button.click()
        await until(lambda: self.place.getAttribute("data-id") != before)
        await self.over()
        return str(self.place.getAttribute("data-id"))


@pytest.fixture
def section(fake: FakePage) -> Section:
    return Section(fake)


async def test_the_numbers_are_those_of_real_handshakes(section: Section, server: Server) -> None:
    module = load("why_not_sleep")
    # A network on which a second is too short for every fifth, even where it lasts longer.
    delays = [2000.0 if number % 5 == 0 else 10.0 for number in range(COUNT)]
    module.NETWORKS = {"mobile": SimpleNamespace(delays={1: delays}.__getitem__)}
    section.choose("mobile", 1)
    async with alive(module.main()):
        id = await section.run()
    entries = server.journal(id, closed=COUNT)
    asked = [float(re.findall(r"delay=([\d.]+)", each["query"])[0]) for each in entries]
    assert [1000 * delay for delay in asked] == pytest.approx(delays, abs=0.1)
    arrived = [[message["data"] for message in entry["messages"]] for entry in entries]
    late = ["on open", "after a second"]
    failed = sum(messages == late[:1] for messages in arrived)
    assert failed + sum(messages == late for messages in arrived) == COUNT
    assert failed >= COUNT // 5
    shown = {
        "said": f"{COUNT} handshakes measured.",
        "measured": f"{COUNT} of {COUNT}",
        "sleep_failed": str(failed),
        "sleep_arrived": str(COUNT - failed),
        "queue_failed": "0",
        "queue_arrived": str(COUNT),
    }
    assert {field: section.text(field) for field in shown} == shown
    opened, slept, flushed = map(section.times, ("opened", "slept", "flushed"))
    assert section.times("delay") == pytest.approx(delays, abs=0.01)
    assert min(slept) >= 1000
    for number in range(COUNT):
        assert opened[number] >= delays[number] - 5
        assert (opened[number] <= slept[number]) == (arrived[number] == late)
        assert flushed[number] >= opened[number] - 1
    wasted = [s - o for s, o, got in zip(slept, opened, arrived, strict=True) if got == late]
    assert section.milliseconds("sleep_wasted") == pytest.approx(sum(wasted), abs=ROUNDED)
    assert section.milliseconds("sleep_longest") == pytest.approx(max(wasted), abs=ROUNDED)
    waited = sum(flushed) - sum(opened)
    assert section.milliseconds("queue_wasted") == pytest.approx(waited, abs=ROUNDED)
    plot = section.place.querySelector("svg.handshakes")
    marks = {
        "circle.flushed": COUNT,
        "use": failed,
        "rect.missed": failed,
        "rect.wasted": COUNT - failed,
    }
    assert {kind: len(plot.querySelectorAll(kind)) for kind in marks} == marks
    sentence = section.text("verdict")
    assert sentence.startswith(f"sleep(1) failed {failed} of {COUNT} times")
    assert section.text("outcome") == sentence
    label = plot.getAttribute("aria-label")
    assert label == f"Plot of {COUNT} handshakes: {sentence}"


async def test_the_network_and_the_seed_decide(section: Section) -> None:
    module = load("why_not_sleep")
    drawn: list[list[float]] = []

    async def note(handshakes: Any, *_: Any) -> None:
        drawn.append([handshake.delay for handshake in handshakes])

    module.run = note
    async with alive(module.main()):
        for network, seed in (("office", 6), ("office", 6), ("office", 7), ("home", 6)):
            section.choose(network, seed)
            await section.run()
    first, same, *others = drawn
    assert first == same
    assert first not in others
    assert others[0] != others[1]


async def test_it_stops_and_begins_anew(section: Section, server: Server) -> None:
    section.choose("office", 1)
    module = load("why_not_sleep")
    async with alive(module.main()):
        section.button.click()
        await until(lambda: section.button.textContent == "Stop")
        await until(lambda: section.text("measured")[0] in "123456789")
        section.button.click()
        await section.over("stopped")
        count = len(section.times("delay"))
        # What had begun has come to its end.
        id = str(section.place.getAttribute("data-id"))
        assert len(server.journal(id, closed=count)) == count
        assert section.text("said") == f"{count} handshakes measured."
        assert section.text("queue_arrived") == str(count)
        assert await section.run() != id
    assert section.text("measured") == f"{COUNT} of {COUNT}"
    # The code shown is the code that runs.
    for way in (module.by_sleep, module.by_queue):
        body = inspect.getsource(way).partition("\n")[2]
        shown = section.text(way.__name__).split()
        assert shown == body.split()


async def test_a_server_that_is_not_there_is_missed(open_fake: OpenFake) -> None:
    section = Section(open_fake("http://127.0.0.1:9/"))
    async with alive(load("why_not_sleep").main()):
        section.button.click()
        await section.over("failed")
    assert "did not accept a connection" in section.text("said")
