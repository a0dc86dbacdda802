"""What test_session_rules.py cannot tell: what a store has, how things look, and what is timed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from readystate.session.control import encode
from readystate_server.sessions import MemoryStore, Sessions
from readystate_server.sessions.bucket import Turns
from readystate_server.sessions.stats import Ages, Refusals, StoreHealth
from readystate_server.sessions.store import Message
from tests.server.session_server import echo, hooked, listen, serving, wait
from tests.server.wires import until_heard
from tests.unit.outboxes import Clock


async def test_anything_with_the_buffer_protocol_is_sent_as_bytes() -> None:
    async with serving(wait) as server:
        wire, _ = await server.open()
        session = server.session
        data = bytearray(b"abc")
        await session.send(data)
        data[:] = b"xyz"  # too late
        await session.send(memoryview(b"abcdef")[::2])
        await session.send("ä")
        assert [await wire.receive() for _ in range(3)] == [b"abc", b"ace", "ä"]
        assert session._core.outbox.sent_bytes == 3 + 3 + 2
        with pytest.raises(UnicodeEncodeError):
            await session.send("\ud800")


async def test_an_answer_is_saved_together_with_what_it_answers() -> None:
    saved: list[tuple[int, int]] = []

    async def note(*_: Any, done: int, messages: list[Message], **__: Any) -> None:
        saved.append((done, len(messages)))

    store = hooked(MemoryStore(), save=note)
    async with serving(echo, store=store) as server:
        wire, _ = await server.open()
        for number in range(1, 100):
            await wire.send(str(number))
        await until_heard(wire, "99")
    answers = 0
    for done, count in saved:
        answers += count
        assert done == answers


async def test_the_store_has_no_secret_and_forgets_what_has_ended() -> None:
    store = MemoryStore()
    async with serving(listen, store=store) as server:
        wire, secret = await server.open()
        assert list(store._entries) == [hashlib.sha256(secret.encode()).hexdigest()]
        assert server.session.id == next(iter(store._entries))
        assert secret not in repr(server.session)
        await wire.close(1000)
        await server.until_handled()
        while server.sessions._by_key:
            await asyncio.sleep(0)
        assert len(store) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        *("expires=0 must be more than 0", "window=0 must be more than 0"),
        *("max_sessions=-1 must be more than 0", "resume_rate=-1 must be at least 0"),
        *("connect_rate=0 must be more than 0", "connect_rate=-1 must be more than 0"),
    ],
)
def test_arguments_that_make_no_sense(wrong: str) -> None:
    name, value = wrong.partition(" ")[0].split("=")
    options: dict[str, Any] = {name: int(value)}
    with pytest.raises(ValueError, match=f"^{wrong}$"):
        Sessions(echo, **options)


async def test_how_they_look() -> None:
    async with serving(listen) as server:
        wire, _ = await server.open()
        for message in ("1", encode("ask", 1)):
            await wire.send(message)
        await until_heard(wire, encode("ack", 1))
        assert repr(server.sessions) == "<Sessions 1 sessions, 1 connections>"
        shown = f"<ServerSession {server.session.id[:8]}… connected; 1 done, 0 unconfirmed>"
        assert repr(server.session) == shown
        await server.session.close()
        assert "ended: 1000" in repr(server.session)


def test_turns_are_evenly_spaced_and_in_order() -> None:
    clock = Clock(100)
    turns = Turns(10, 0.25, clock=clock)
    assert [turns.take() for _ in range(3)] == pytest.approx([100, 100.1, 100.2])
    assert turns.take() is None  # its turn would be in 0.3 s
    assert turns.wait(100.0) == 0
    assert turns.wait(100.2) == pytest.approx(0.2)
    clock.go_on(0.1)
    assert turns.take() == pytest.approx(100.3)
    clock.go_on(60)  # what was not used is not saved up
    assert [turns.take() for _ in range(2)] == pytest.approx([160.1, 160.2])


def test_the_age_is_that_of_the_oldest_message() -> None:
    clock = Clock()
    ages = Ages(clock)
    for number, clock.now in enumerate((0, 0.1, 5, 5.1, 9), 1):
        ages.accepted(number, 0)
    clock.now = 10
    assert [ages.oldest(count) for count in range(5)] == [10, 10, 5, 5, 1]


def test_refusals_and_failures_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals, health = Refusals(clock), StoreHealth(clock)
    for clock.now in (0, 1, 59, 60, 61):
        assert refusals.refuse("max_sessions", "too many sessions").code == 1013
        health.worked()
        health.failed(OSError("out of memory"))
    refusals.refuse("resume_rate", "a session is resumed too often")
    assert (refusals.counts, health.failures) == ({"max_sessions": 5, "resume_rate": 1}, 5)
    failed = "OSError: out of memory (1 failures"
    told = ["1 refused", failed, "3 refused", "(4 failures", "resume_rate"]
    assert all(part in line for part, line in zip(told, caplog.messages, strict=True))
