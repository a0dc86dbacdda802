"""Iterating over connect(): what ends it, what hurries it, and what it tells."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from readystate import (
    Backoff,
    ConnectionFailed,
    DOMSyntaxError,
    OpenTimeout,
    QueuedWebSocket,
    State,
    connect,
)
from readystate_server.testing.inpage import raises, until, url

from .conftest import Page

AT_ONCE = Backoff(0, 0)
FOREVER = Backoff(600, 600, jitter=0)
SECRET = "hunter2"


@pytest.fixture
def records(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[logging.LogRecord]]:
    """What is logged, of any level."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    logger = logging.getLogger("readystate")
    with caplog.at_level(logging.DEBUG, "readystate"):
        logger.addHandler(handler)
        yield records
        logger.removeHandler(handler)


def lines(records: list[logging.LogRecord], level: int) -> list[str]:
    return [record.getMessage() for record in records if record.levelno == level]


async def iterate(**options: Any) -> int:
    """Iterates until something is raised."""
    count = 0
    async for _ in connect(**{"backoff": AT_ONCE, **options}):
        count += 1
    return count


async def test_attempts_that_fail_are_given_up() -> None:
    with raises(ConnectionFailed, match="given up after 3 attempts in a row") as caught:
        await iterate(url=url("/ws/refuse"), max_attempts=3)
    assert isinstance(caught.value.__cause__, ConnectionFailed)


async def test_attempts_that_fail_are_given_up_in_time() -> None:
    with raises(ConnectionFailed, match="given up"):
        await iterate(url=url("/ws/refuse"), give_up_after=0.2, backoff=Backoff(0.05, 0.05))


async def test_connections_that_bring_nothing_are_given_up() -> None:
    connections = 0
    with raises(ConnectionFailed, match="given up after 3 attempts") as caught:
        async for ws in connect(
            url("/ws/close", code=1011, reason="busy"), backoff=AT_ONCE, max_attempts=3
        ):
            connections += 1
            await ws.wait_closed()
    assert connections == 3
    assert "1011" in str(caught.value.__cause__)


async def test_connections_that_bring_a_message_are_not() -> None:
    connections = 0
    async for ws in connect(url("/ws/close", code=1011, after=1), backoff=AT_ONCE, max_attempts=2):
        await ws.send("abc")
        assert await ws.recv() == "abc"
        connections += 1
        if connections == 5:
            break
        await ws.wait_closed()


@pytest.mark.parametrize("is_async", [False, True])
async def test_process_exception_decides(is_async: bool) -> None:
    seen: list[Exception] = []

    def decide(error: Exception) -> Exception | None:
        seen.append(error)
        return None if len(seen) < 3 else error

    async def decide_later(error: Exception) -> Exception | None:
        await asyncio.sleep(0)
        return decide(error)

    with raises(ConnectionFailed) as caught:
        await iterate(url=url("/ws/refuse"), process_exception=decide_later if is_async else decide)
    assert len(seen) == 3
    assert caught.value is seen[-1]


async def test_process_exception_may_put_another_in_its_place_and_is_told_of_timeouts() -> None:
    with raises(PermissionError, match="log in") as caught:
        await iterate(
            url=url("/ws/echo", delay=60),
            open_timeout=0.1,
            process_exception=lambda error: PermissionError("log in"),
        )
    assert isinstance(caught.value.__cause__, OpenTimeout)


async def test_what_no_other_attempt_mends_is_raised() -> None:
    with raises(DOMSyntaxError):
        await iterate(url="ws://host/", subprotocols=["a b"])


async def test_an_answer_that_is_no_exception_is_refused() -> None:
    with raises(TypeError, match="process_exception must return"):
        await iterate(url=url("/ws/refuse"), process_exception=lambda error: True)


@pytest.mark.parametrize("type", ["online", "pageshow", "resume", "visible"])
async def test_an_iteration_goes_on_when_the_page_comes_back(fake_page: Page, type: str) -> None:
    attempts = 0

    def count(_: Exception) -> None:
        nonlocal attempts
        attempts += 1

    iterating = asyncio.ensure_future(
        iterate(url=url("/ws/refuse"), backoff=FOREVER, process_exception=count)
    )
    await until(lambda: attempts == 1)
    for away in ("offline", "pagehide", "hidden"):
        fake_page.dispatch(away)
    fake_page.dispatch(type)
    await until(lambda: attempts == 2)
    iterating.cancel()
    await asyncio.wait([iterating])
    await until(lambda: not fake_page.listeners)


async def test_a_queue_goes_on_when_the_tab_is_shown(fake_page: Page) -> None:
    paths = itertools.chain(["/ws/refuse"], itertools.repeat("/ws/echo"))
    async with QueuedWebSocket(lambda: url(next(paths)), backoff=FOREVER) as ws:
        await until(lambda: ws.state is State.WAITING)
        fake_page.dispatch("hidden")
        await asyncio.sleep(0)
        assert ws.state is State.WAITING
        fake_page.dispatch("visible")
        await ws.wait_open()


# What it tells


async def test_a_failing_handshake_is_seen_without_asking(
    records: list[logging.LogRecord],
) -> None:
    with raises(ConnectionFailed, match="given up"):
        await iterate(url=url("/ws/refuse", token=SECRET), max_attempts=25)
    warnings = lines(records, logging.WARNING)
    assert len(warnings) == 3
    for attempt, warning in zip((3, 10, 20), warnings, strict=True):
        assert f"attempt {attempt} failed" in warning
    infos = lines(records, logging.INFO)
    assert any("attempt 1 failed" in line for line in infos)
    assert any("next attempt in 0.0 s" in line for line in infos)


async def test_connections_made_and_lost_are_told(records: list[logging.LogRecord]) -> None:
    where = url("/ws/close", code=4000, reason="bye", after=1, token=SECRET)
    with raises(ConnectionFailed):
        async for ws in connect(where, backoff=FOREVER, give_up_after=0):
            await ws.send(SECRET)
            await ws.wait_closed()
    infos = lines(records, logging.INFO)
    address = where.partition("?")[0]
    assert f"{address}: connected, attempt 1" in infos
    assert any("4000" in line and "bye" in line for line in infos)
    assert f"{address}: sends 1 messages of 7 bytes in total, 0 again" in lines(
        records, logging.DEBUG
    )
    assert SECRET not in "".join(record.getMessage() for record in records)


async def test_a_queue_tells_the_same(records: list[logging.LogRecord]) -> None:
    paths = itertools.chain(
        [url("/ws/refuse", token=SECRET), url("/ws/close", code=1012, after=2, token=SECRET)],
        itertools.repeat(url("/ws/echo", token=SECRET)),
    )

    async def on_open(ws: QueuedWebSocket) -> None:
        ws.send(SECRET)

    async with QueuedWebSocket(
        lambda: next(paths), protocols=[SECRET], on_open=on_open, backoff=AT_ONCE
    ) as ws:
        ws.send(SECRET)
        await until(lambda: ws.stats.reconnects == 1)
    infos, debugs = lines(records, logging.INFO), lines(records, logging.DEBUG)
    for part in ("attempt 1 failed", "connected, attempt 2", "1012", "ended for good"):
        assert any(part in line for line in infos), part
    for part in ("CONNECTING", "OPEN", "WAITING", "CLOSED", "sends 1 messages of 7 bytes"):
        assert any(part in line for line in debugs), part
    assert SECRET not in "".join(record.getMessage() for record in records)
