"""A connection that was given up reports nothing more."""

from __future__ import annotations

import asyncio

import pytest

from readystate._host.cpython.native_websocket import NativeWebSocket
from readystate._host.cpython.urls import parse_url
from readystate_server.testing.inpage import url


async def test_messages_that_came_together_with_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str | bytes] = []
    ended = asyncio.Event()

    def give_up(native: NativeWebSocket, message: str | bytes) -> None:
        assert native._wire is not None
        heard.append(message)
        native._wire.abort()
        ended.set()

    monkeypatch.setattr(NativeWebSocket, "on_message", give_up)
    native = NativeWebSocket(parse_url(url("/ws/flood", count=1000, size=1)), [])
    await ended.wait()
    while native.readyState != NativeWebSocket.CLOSED:
        await asyncio.sleep(0)
    assert heard == ["x"]
