"""The race: six ways to send the first messages, of which the journal has the last word."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from readystate_server.lab import Server

from .conftest import OpenFake, alive, load, until
from .dom import FakePage

WAYS = (
    "send_at_once",
    "sleep_then_send",
    "send_queue",
    "send_on_open",
    "check_ready_state",
    "queue_until_open",
)
ROUNDED = 0.55


class Lab:
    """What a visitor sees of the race."""

    def __init__(self, page: FakePage) -> None:
        self.page = page

    def state(self) -> Any:
        return self.page.one("#lab").getAttribute("data-state")

    def said(self) -> str:
        return str(self.page.one("#said").textContent)

    def set(self, delay: int, count: int) -> None:
        self.page.one("#delay").choose(delay)
        self.page.one("#count").choose(count)

    async def over(self, state: str = "done") -> None:
        await until(lambda: self.state() == state)

    async def again(self) -> None:
        self.page.one("#again").click()
        await until(lambda: self.state() == "running")
        await self.over()

    def data(self, way: str, name: str) -> Any:
        return self.page.one(f"#{way}").getAttribute(f"data-{name}")

    def text(self, way: str, field: str) -> str:
        return str(self.page.one(f"#{way} [data-field={field}]").textContent)

    def row(self, way: str) -> list[str]:
        """Its result, or that of the group that it is in."""
        name = way if way in WAYS[:2] else "ask"
        cells = self.page.document.querySelectorAll(f"#result [data-way={name}] [data-field]")
        return [cell.textContent for cell in cells]


@pytest.mark.parametrize(("delay", "count"), [(300, 3), (0, 1), (1500, 2)])
async def test_what_is_shown_is_what_the_server_has_got(
    fake: FakePage, server: Server, delay: int, count: int
) -> None:
    fake.one("#delay").value, fake.one("#count").value = delay, count
    sleeps_too_short = delay > 1000
    lab = Lab(fake)
    async with alive(load("lab").main()):
        await lab.over()
    for way in WAYS:
        [connection] = server.journal(lab.data(way, "id"), closed=1)
        assert connection["close"]["clean"]
        arrived = [message["data"] for message in connection["messages"]]
        shown = [float(time) for time in lab.data(way, "arrived").split()]
        times = [message["time"] * 1000 for message in connection["messages"]]
        assert shown == pytest.approx(times, abs=0.01)
        fails = way == WAYS[0] or (way == WAYS[1] and sleeps_too_short)
        assert arrived == ([] if fails else [f"message {n + 1}" for n in range(count)])
        assert float(lab.data(way, "opened")) >= delay
        lost = f"{count - len(arrived)} of {count}"
        assert lab.text(way, "lost") == lost
        in_row = lost if way in WAYS[:2] else f"0 of {4 * count}"
        assert lab.row(way)[-1] == in_row
        good = "late" if way == WAYS[1] else "good"
        assert lab.data(way, "outcome") == ("failed" if fails else good)
        words = {"good": "on time", "late": "late", "failed": "fails"}
        assert lab.row(way)[0] == words[lab.data(way, "outcome")]
        if fails:
            assert lab.text(way, "exception") == "InvalidStateError"
            assert lab.text(way, "code") == "11"
            assert lab.text(way, "arrived") == lab.row(way)[1] == "never"
            assert f"{count} " in lab.text(way, "verdict") or count == 1
        else:
            wasted = float(lab.data(way, "wasted"))
            assert wasted >= 0
            after_open = float(lab.row(way)[1].partition(" ms")[0])
            assert after_open >= wasted - 1
        row = "ask" if way not in WAYS[:2] else way
        svg = fake.one(f"#result [data-way={row}] svg.timeline")
        label = svg.getAttribute("aria-label")
        assert label.startswith("Timeline: CONNECTING from 0 to ")
        assert label.count("message sent") == len(arrived)
        assert len(svg.querySelectorAll("use")) == (1 if fails else 2 * count)
    # Nobody has asked for the first race.
    assert fake.one("#summary").textContent == ""
    assert f"All {4 * count} messages arrived in order" in fake.one("#ask .verdict").textContent
    assert "The 4 ways differ by " in fake.one("#ask .verdict").textContent
    assert fake.one("#ask").getAttribute("data-outcome") == "good"
    if sleeps_too_short:
        assert "A second was too short" in lab.said()
        assert f"sleep(1) lost {count} message" in lab.said()
    else:
        wasted = float(lab.said().partition("wasted ")[2].partition(" ms")[0])
        assert wasted == pytest.approx(float(lab.data(WAYS[1], "wasted")), abs=ROUNDED)


async def test_a_visitor_runs_it_again(fake: FakePage) -> None:
    fake.one("#delay").value = 0
    lab = Lab(fake)
    told: list[str] = []
    lab_module = load("lab")
    async with alive(lab_module.main()):
        button = fake.one("#again")
        assert button.getAttribute("aria-disabled") == "true"
        await lab.over()
        assert button.getAttribute("aria-disabled") is None
        first = [lab.data(way, "id") for way in WAYS]
        lab.set(50, 1)
        assert fake.one("output[for=delay]").textContent == "50 ms"
        assert fake.one("#count").getAttribute("aria-valuetext") == "1 message"
        await lab.again()
        assert not set(first) & {lab.data(way, "id") for way in WAYS}
        assert fake.one("#summary").textContent == lab.said()
    cards = [lab_module.Card(way) for way in load("ways").WAYS]
    await lab_module.run(cards, lab_module.find_rows(), 1, 0.0, told.append)
    assert told == [
        *(f"Running: {number} of 6 are connected …" for number in range(6)),
        "Running: all are connected …",
    ]


def test_the_code_shown_is_the_code_that_runs(fake: FakePage) -> None:
    lab, ways = load("lab"), load("ways")
    for way in ways.WAYS:
        lab.Card(way)
        code = fake.one(f"#{way.__name__} pre code").textContent
        assert "send(message)" in code
        body = inspect.getsource(way).partition("\n")[2]
        assert [line.strip() for line in code.splitlines()] == [
            line.strip() for line in body.rstrip().splitlines()
        ]


async def test_without_a_server_the_page_says_so(open_fake: OpenFake) -> None:
    fake = open_fake("http://127.0.0.1:9/")
    lab = Lab(fake)
    async with alive(load("lab").main()):
        await lab.over("failed")
    reason = "did not accept a connection"
    assert reason in fake.one("#no-server p[data-field=reason]").textContent
    assert not fake.one("#no-server").hidden
    assert lab.said() == "The race could not be run."
