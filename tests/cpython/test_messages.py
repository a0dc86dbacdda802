"""What exceptions say: what happened, and nothing that contradicts it."""

from __future__ import annotations

from typing import Any

import pytest

from readystate import ConnectionFailed, QueuedWebSocket, SessionExpired, connect
from readystate.exceptions import connection_closed
from readystate_server.testing.inpage import raises, url


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1000, "", True), "closed: 1000"),
        ((4000, "bye", True), "closed: 4000 'bye'"),
        ((1006, "", False), "lost, without a closing handshake: 1006"),
        (
            (1012, "restart", False),
            "closed by the server, and lost during the closing handshake: 1012 'restart'",
        ),
        ((1006, "", False, "no reply"), "ended: no reply (1006)"),
    ],
)
def test_how_a_connection_has_ended(arguments: Any, text: str) -> None:
    error = connection_closed(*arguments)
    assert str(error) == text
    again = error.anew()
    assert again is not error
    assert (type(again), str(again), vars(again)) == (type(error), text, vars(error))


def test_why_a_session_is_gone_and_what_becomes_of_its_messages() -> None:
    expired = str(SessionExpired("late", ["a"], why="expired"))
    assert expired.startswith("the session has expired: it was not resumed in time")
    assert "(4404 'late'): 1 message is unconfirmed, see .unconfirmed" in expired
    assert "use Session(renew=True)" in expired
    forgotten = str(SessionExpired("new", ["a", "b"], why="forgotten", is_renewed=True))
    assert forgotten.startswith("the server does not know the session: it was restarted")
    assert forgotten.endswith(": 2 messages are unconfirmed, and sent again in a new session")


async def test_subprotocols_are_named_only_where_some_were_offered() -> None:
    bad = url("/ws/refuse", status=403)
    for subprotocols in (None, ["token"]):
        with raises(ConnectionFailed) as caught:
            await connect(bad, subprotocols=subprotocols)
        is_told = "with one of the offered subprotocols" in str(caught.value)
        assert is_told is bool(subprotocols)
        assert "token" not in str(caught.value)
        assert "readystate.v1" not in str(caught.value)


async def test_a_server_without_sessions_is_thought_of() -> None:
    bad = url("/ws/refuse", status=403)
    async with QueuedWebSocket(bad, session=True, max_attempts=1) as ws:
        with raises(ConnectionFailed, match=r"sessions \('readystate\.v1'\)\?") as caught:
            await ws.recv()
    assert "1" in str(caught.value).split(":")[0]
