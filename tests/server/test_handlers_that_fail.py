"""A handler that fails with one message, and a route that accepts what serve() is to accept."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.websockets import WebSocket

from readystate.session.control import FAILED, SUBPROTOCOL
from readystate_server.sessions import ServerSession, Sessions
from readystate_server.sessions.starlette import serve
from tests.server.session_client import SessionClient, memory_pair
from tests.server.test_session_server import run


async def fail(session: ServerSession) -> None:
    async for message in session:
        if message == "poison":
            raise ZeroDivisionError


def test_the_log_says_which_message_it_was(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        sessions = Sessions(fail)
        client, transport = memory_pair()
        serving = sessions.serve(transport)
        sender = SessionClient()
        sender.send("harmless")
        sender.send("poison")
        async with sender.connected(client) as task:
            await serving
            assert await task == FAILED
        await sessions.close()

    with caplog.at_level(logging.ERROR, "readystate"):
        run(test())
    (record,) = caplog.records
    text = record.getMessage()
    assert "-2 in hand (text, length 6), which ends the session with 4411" in text
    assert "poison" not in text
    assert record.exc_info is not None


def test_a_route_that_has_accepted_the_connection_is_told_to_leave_that_out() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        pass

    async def test() -> None:
        scope = {"type": "websocket", "subprotocols": [SUBPROTOCOL], "headers": []}
        websocket = WebSocket(scope, receive, send)
        await websocket.accept(SUBPROTOCOL)
        with pytest.raises(RuntimeError, match=r"leave out websocket\.accept\(\)"):
            await serve(Sessions(fail), websocket)

    run(test())
