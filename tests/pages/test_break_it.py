"""Break it: each fault, with each thing that confirms, and the account beside the journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from readystate import Backoff
from readystate_server.lab import Server

from .conftest import OpenFake, alive, load, numbers, until
from .dom import FakePage

WAYS = ("nothing", "heartbeat", "session")
FAULTS = ("drop", "refuse", "restart", "half-open", "offline")
ACCOUNT = ("accepted", "confirmed", "dropped", "waiting", "unconfirmed")


class Bench:
    """What a visitor sees and does."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.section = page.one("#break_it")
        self.stream = page.one("#stream")
        self.accounts: list[list[int]] = []
        self.fields = {
            str(field.dataset.field): field
            for field in self.section.querySelectorAll("[data-field]")
        }
        page.one("#rate").value = 100

    def text(self, field: str) -> str:
        return str(self.fields[field].textContent)

    def number(self, field: str) -> int:
        text = self.text(field)
        return int(text) if text.isdigit() else 0

    def state(self) -> str:
        return self.section.getAttribute("data-state") or ""

    def fault(self, name: str) -> Any:
        return self.page.one(f"#break_it button[data-fault={name}]")

    def choose(self, way: str) -> None:
        for switch in self.page.document.querySelectorAll("#break_it [name=confirms]"):
            switch.checked = switch.value == way
        self.section.querySelector("fieldset").dispatch("change")

    async def start(self, way: str) -> str:
        self.choose(way)
        self.stream.click()
        await until(lambda: self.state() == "running")
        await self.at_least("confirmed", 30)
        return str(self.section.getAttribute("data-id"))

    async def at_least(self, field: str, number: int) -> None:
        def is_there() -> bool:
            self.accounts.append([self.number(name) for name in ACCOUNT])
            return self.number(field) >= number

        await until(is_there)

    async def reconnected(self) -> None:
        await self.at_least("reconnects", 1)
        await until(lambda: self.text("state") == "OPEN")
        await self.at_least("received", self.number("received") + 30)

    async def stop(self) -> None:
        if self.state() != "over":
            self.stream.click()
        await until(lambda: self.state() == "over")


@pytest.fixture
def bench(fake: FakePage) -> Iterator[Bench]:
    bench = Bench(fake)
    yield bench
    assert all(accepted == sum(parts) for accepted, *parts in bench.accounts)
    assert bench.section.getAttribute("data-off") in (None, "0")


@asynccontextmanager
async def working(*, drop: float = 0.05, refusal: float = 0.55) -> Any:
    """The section works, and is drawn, and connects again, ten times as often as for a visitor.

    The server is deaf for ``drop`` seconds before it resets a connection, and refuses it for
    ``refusal`` seconds.
    """
    module = load("break_it")
    module.TICK, module.LOOK = 0.025, 0.1
    module.Backoff = lambda first, longest: Backoff(first / 10, longest / 10)
    for fault in module.FAULTS.values():
        fault.update({"drop": drop} if "drop" in fault else {})
    module.FAULTS["restart"]["refuse"] = 0.15
    module.FAULTS["refuse"]["refuse"] = refusal
    async with alive(module.main()):
        yield


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
async def test_each_fault_does_what_the_page_says(
    bench: Bench, server: Server, way: str, fault: str
) -> None:
    # A busy machine may not come to lose anything, or to be refused, within a time: this test ends
    # both, except for sessions, whose end waits for the connections.
    async with working(drop=0.05 if way == "session" else 60, refusal=60):
        id = await bench.start(way)
        if way == "heartbeat":
            # So that some have arrived that no reply has confirmed yet.
            await bench.at_least("unconfirmed", 20)
        bench.fault(fault).click()
        await until(lambda: f"{fault.capitalize()}, after" in bench.text("said"))
        if way != "session" and fault != "half-open":
            # More than have arrived: what is shown at first may all be from before the fault.
            await bench.at_least("accepted", len(numbers(server, id)) + 5)
            server.drop(id)
        if fault in ("refuse", "offline"):
            await until(lambda: False in opened(server, id))
        if fault == "refuse":
            server.refuse(id, 0)
        if fault == "restart" and way == "session":
            await until(lambda: bench.state() == "over")
        elif fault == "half-open" and way == "nothing":
            # Nobody finds out, ever: it goes on and on.
            await bench.at_least("lost", 50)
            assert (bench.text("state"), bench.number("reconnects")) == ("OPEN", 0)
        else:
            if fault == "offline":
                await go_online(bench)
            await bench.reconnected()
        await bench.stop()
    if fault == "half-open" and way != "nothing":
        assert opened(server, id) == [True, True]
    check(bench, numbers(server, f"{id}/session" if way == "session" else id), way, fault)


def opened(server: Server, id: str) -> list[bool]:
    """Which of the connections were let in."""
    return [entry["opened"] for entry in server.journal(id)]


async def go_online(bench: Bench) -> None:
    """Goes online while it waits for a later attempt; the wait for each is counted down."""
    waits: dict[str, list[float]] = {}

    def is_late() -> bool:
        if told := re.fullmatch(r"in (\d+\.\d) s, attempt (\d+)", bench.text("attempt")):
            waits.setdefault(told[2], []).append(float(told[1]))
        is_counted_down = any(found[0] > found[-1] for found in waits.values())
        return is_counted_down and max(map(int, waits)) >= 3

    await until(is_late)
    assert all(found == sorted(found, reverse=True) for found in waits.values()), waits
    for other in FAULTS[:-1]:
        assert bench.fault(other).getAttribute("aria-disabled") == "true"
    assert bench.number("reconnects") == 0
    assert bench.fault("offline").textContent == "Go online"
    bench.fault("offline").click()


def check(bench: Bench, arrived: list[int], way: str, fault: str) -> None:
    """Compares what is shown with the server's journal."""
    account = {name: bench.number(name) for name in ACCOUNT}
    everything = list(range(account["accepted"]))
    distinct = list(dict.fromkeys(arrived))
    shown = {
        "waiting": 0,
        "unconfirmed": 0,
        "CONFIRMED": account["confirmed"],
        "DROPPED": account["dropped"],
        "received": len(distinct),
        "twice": len(arrived) - len(distinct),
        "missing": account["accepted"] - len(distinct),
        "disorder": 0,
    }
    assert {name: bench.number(name) for name in shown} == shown
    assert set(distinct) <= set(everything)
    assert distinct == sorted(distinct)
    lost, verdict = bench.number("lost"), bench.text("verdict")
    if way == "nothing":
        assert lost == account["confirmed"] - len(distinct) > 0
        assert arrived == distinct
        assert verdict.startswith(f"{lost:,} message")
    elif way == "heartbeat":
        assert account["dropped"] == lost == 0
        assert distinct == everything
        assert len(arrived) > len(distinct)
        assert "arrived twice" in verdict
    elif fault == "restart":
        # What is confirmed has arrived; what is not is reported, whether it has arrived or not.
        assert arrived == list(range(len(arrived)))
        assert account["confirmed"] <= len(arrived) < account["accepted"]
        assert lost == 0
        assert "SessionExpired" in verdict
        assert f"{account['dropped']:,} message" in verdict
        assert f"Of these, {len(arrived) - account['confirmed']:,} had arrived" in verdict
    else:
        assert arrived == everything
        assert account["dropped"] == lost == 0
        assert "exactly once, in order" in verdict


async def test_the_switch_begins_anew(bench: Bench, server: Server) -> None:
    async with working():
        first = await bench.start("nothing")
        assert "heartbeat=" not in bench.section.querySelector("pre code").textContent
        bench.choose("heartbeat")
        await until(lambda: bench.section.getAttribute("data-id") != first)
        assert "heartbeat=" in bench.section.querySelector("pre code").textContent
        assert server.journal(first, closed=1)
        await bench.at_least("confirmed", 1)
        second = str(bench.section.getAttribute("data-id"))
        await bench.stop()
    # Each stream is counted from its own beginning.
    assert numbers(server, second) == list(range(bench.number("accepted")))


async def test_the_slider_sets_the_rate(bench: Bench) -> None:
    async with working():
        await bench.start("session")
        rate = bench.page.one("#rate")
        rate.choose(1)
        assert rate.getAttribute("aria-valuetext") == "1 message a second"
        # What was due before may still be sent.
        await bench.at_least("accepted", bench.number("accepted") + 1)
        before = bench.number("accepted")
        await bench.at_least("accepted", before + 2)
        assert bench.number("accepted") <= before + 4
        rate.choose(100)
        assert bench.text("speed") == "100 messages a second"
        await bench.at_least("accepted", before + 50)
        await bench.stop()


async def test_without_a_stream_nothing_is_broken(bench: Bench, server: Server) -> None:
    async with working():
        for fault in FAULTS:
            assert bench.fault(fault).getAttribute("aria-disabled") == "true"
            bench.fault(fault).click()
        id = await bench.start("session")
        await bench.stop()
    assert len(server.journal(id, closed=1)) == 1


async def test_a_server_that_goes_away_is_missed(open_fake: OpenFake) -> None:
    with Server() as server:
        bench = Bench(open_fake(f"{server.url}/"))
        async with working():
            await bench.start("heartbeat")
            server.stop()
            await until(lambda: "is out of reach" in bench.text("journal"))
            bench.fault("drop").click()
            await until(lambda: "is out of reach" in bench.text("said"))
            server.start()
            await until(lambda: bench.text("state") == "OPEN")
            # It has an empty journal: what was there is missing.
            await bench.at_least("missing", 1)
            await until(lambda: "Lost: the client" in bench.text("journal"))
            await bench.stop()
