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
    connect,
)
from readystate_server.testing.inpage import raises, until, url

from .conftest import AT_ONCE, FOREVER, Page

SECRET = "hunter2"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, of any level, which never is a secret."""
    with caplog.at_level(logging.DEBUG, "readystate"):
        yield caplog
    assert SECRET not in "".join(record.getMessage() for record in caplog.get_records("call"))


def lines(logged: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in logged.records if record.levelno == level]


async def iterate(**options: Any) -> int:
    """Iterates until something is raised."""
    count = 0
    async for _ in connect(**{"backoff": AT_ONCE, **options}):
        count += 1
    return count


@pytest.mark.parametrize(
    ("limit", "match"),
    [
        ({"max_attempts": 3}, "given up after 3 attempts in a row"),
        ({"give_up_after": 0.2, "backoff": Backoff(0.05, 0.05)}, "given up"),
    ],
)
async def test_attempts_that_fail_are_given_up(limit: dict[str, Any], match: str) -> None:
    with raises(ConnectionFailed, match=match) as caught:
        await iterate(url=url("/ws/refuse"), **limit)
    assert isinstance(caught.value.__cause__, ConnectionFailed)


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
    # Another connection takes longer than the next attempt would.
    async with connect(url("/ws/echo")):
        pass
    assert attempts == 1
    fake_page.dispatch(type)
    await until(lambda: attempts == 2)
    iterating.cancel()
    await asyncio.wait([iterating])
    await until(lambda: not fake_page.listeners)


# What it tells


async def test_a_failing_handshake_is_seen_without_asking(logged: pytest.LogCaptureFixture) -> None:
    with raises(ConnectionFailed, match="given up"):
        await iterate(url=url("/ws/refuse", token=SECRET), max_attempts=25)
    warnings = lines(logged, logging.WARNING)
    assert len(warnings) == 3
    for attempt, warning in zip((3, 10, 20), warnings, strict=True):
        assert f"attempt {attempt} failed" in warning
    infos = lines(logged, logging.INFO)
    assert any("attempt 1 failed" in line for line in infos)
    assert any("next attempt in 0.0 s" in line for line in infos)


async def test_connections_made_and_lost_are_told(logged: pytest.LogCaptureFixture) -> None:
    where = url("/ws/close", code=4000, reason="bye", after=1, token=SECRET)
    with raises(ConnectionFailed):
        async for ws in connect(where, backoff=FOREVER, give_up_after=0):
            await ws.send(SECRET)
            await ws.wait_closed()
    infos = lines(logged, logging.INFO)
    address = where.partition("?")[0]
    assert f"{address}: connected, attempt 1" in infos
    assert any("4000" in line and "bye" in line for line in infos)
    assert f"{address}: sends 1 messages of 7 bytes in total, 0 again" in lines(
        logged, logging.DEBUG
    )


async def test_a_queue_tells_the_same(logged: pytest.LogCaptureFixture) -> None:
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
    infos, debugs = lines(logged, logging.INFO), lines(logged, logging.DEBUG)
    for part in ("attempt 1 failed", "connected, attempt 2", "1012", "ended for good"):
        assert any(part in line for line in infos), part
    for part in ("CONNECTING", "OPEN", "WAITING", "CLOSED", "sends 1 messages of 7 bytes"):
        assert any(part in line for line in debugs), part
