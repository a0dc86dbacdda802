"""What of a URL is shown: never its user info, query or fragment, where secrets stand."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from readystate import (
    DOMSyntaxError,
    QueuedWebSocket,
    Session,
    State,
    StateChange,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import event, reported, until, url

from .conftest import AT_ONCE


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


async def check_failure(awaitable: Awaitable[object]) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await awaitable
    check_error(caught.value)


async def connection() -> None:
    async with connect(secret("/ws/echo")) as ws:
        check(repr(ws))
    check(repr(ws))
    await check_failure(connect(secret("/ws/refuse", status=403)))
    await check_failure(connect(secret("/ws/echo", delay=20), open_timeout=0.05))


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


async def queue_that_gives_up(**options: Any) -> None:
    states: list[StateChange] = []
    where = secret("/ws/refuse", status=403)
    ws = QueuedWebSocket(where, max_attempts=2, backoff=AT_ONCE, on_state=states.append, **options)
    check(repr(ws))
    async with ws:
        await check_failure(ws.recv())
        check(repr(ws))
    check(states)


async def session_that_gives_up() -> None:
    await queue_that_gives_up(session=True)


async def on_open_that_fails() -> None:
    ws = QueuedWebSocket(secret("/ws/echo"), on_open=lambda _: 1 / 0, max_attempts=1)
    async with ws:
        await until(lambda: ws.state is State.CLOSED)
    check(reported, *(traceback.format_exception(one["exception"]) for one in reported))
    reported.clear()


@pytest.mark.parametrize(
    "situation",
    [
        *(websocket, connection, bad_urls),
        *(queue_that_gives_up, session_that_gives_up, on_open_that_fails),
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
