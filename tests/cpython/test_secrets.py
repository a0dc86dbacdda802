"""What of a URL is shown: never its user info, query or fragment, where secrets stand."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from readystate import (
    Backoff,
    DOMSyntaxError,
    QueuedWebSocket,
    Session,
    State,
    StateChange,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import event, reported, until, url


def secret(path: str, **query: Any) -> str:
    """A URL with secrets in all places, to which one can connect."""
    address = url(path, token="SECRET-2", **query)
    return address.replace("ws://", "ws://NAME:SECRET-1@")


def check(*texts: object) -> None:
    for text in texts:
        assert "SECRET" not in str(text), text
        assert "NAME" not in str(text), text


def check_error(error: BaseException) -> None:
    check(error, repr(error), *traceback.format_exception(error), getattr(error, "url", ""))


async def websocket() -> None:
    ws = WebSocket(secret("/ws/echo"))
    check(repr(ws), repr(ws.js_websocket))
    await event(ws, "open")
    check(repr(ws))
    ws.onclose = lambda _: 1 / 0  # which is reported
    closed = event(ws, "close")
    ws.close()
    check(repr(await closed))
    check(reported)
    reported.clear()


async def connection() -> None:
    async with connect(secret("/ws/echo")) as ws:
        check(repr(ws))
    check(repr(ws))


async def connection_failed() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await connect(secret("/ws/refuse", status=403))
    check_error(caught.value)


async def open_timeout() -> None:
    with pytest.raises(TimeoutError) as caught:
        await connect(secret("/ws/echo", delay=20), open_timeout=0.05)
    check_error(caught.value)


async def bad_urls() -> None:
    for bad in (
        "ws://NAME:SECRET-1@ho st/?SECRET-2",
        "ws://NAME:SECRET-1@host/?SECRET-2#SECRET",
        "ws://NAME:SECRET/1@host/",
        "ws://NAME:SECRET-1@host:99999/?SECRET-2",
        "ftp://NAME:SECRET-1@host/?SECRET",
        "/path?SECRET-2",
        "NAME:SECRET-1@host/",
    ):
        for make in (WebSocket, lambda bad: QueuedWebSocket(bad).start()):
            with pytest.raises(DOMSyntaxError) as caught:
                make(bad)
            check_error(caught.value)


async def queue_that_gives_up() -> None:
    states: list[StateChange] = []
    ws = QueuedWebSocket(
        secret("/ws/refuse", status=403),
        max_attempts=2,
        backoff=Backoff(0, 0),
        on_state=states.append,
        on_open=lambda ws: ws.send("x"),
    )
    check(repr(ws))
    async with ws:
        await until(lambda: ws.state is State.CLOSED)
        check(repr(ws))
        with pytest.raises(OSError) as caught:  # noqa: PT011
            await ws.recv()
    check_error(caught.value)
    check(states)


async def queue_with_a_session() -> None:
    ws = QueuedWebSocket(secret("/ws/refuse", status=403), session=True, max_attempts=1)
    async with ws:
        with pytest.raises(OSError) as caught:  # noqa: PT011
            await ws.recv()
        check(repr(ws))
    check_error(caught.value)


async def on_open_that_fails() -> None:
    ws = QueuedWebSocket(secret("/ws/echo"), on_open=lambda _: 1 / 0, max_attempts=1)
    async with ws:
        await until(lambda: ws.state is State.CLOSED)
    check(reported, *(traceback.format_exception(one["exception"]) for one in reported))
    reported.clear()


@pytest.mark.parametrize(
    "situation",
    [
        websocket,
        connection,
        connection_failed,
        open_timeout,
        bad_urls,
        queue_that_gives_up,
        queue_with_a_session,
        on_open_that_fails,
    ],
)
async def test_secrets_in_the_url(
    situation: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await situation()
        await asyncio.sleep(0)
    check(caplog.text, *(record.args for record in caplog.records))


async def test_the_name_of_a_kept_session(fake_page: Any) -> None:
    session = Session(persist="sessionStorage")
    ws = QueuedWebSocket(secret("/ws/session"), session=session)
    with pytest.raises(ValueError, match="another session") as caught:
        QueuedWebSocket(secret("/ws/session"), session=session)
    check_error(caught.value)
    ws.abort()
    check(*fake_page.storage)
