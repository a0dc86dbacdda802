"""A server that was restarted, or has waited in vain, has the session no more."""

from __future__ import annotations

import asyncio
from typing import Any

from readystate import (
    Backoff,
    DeliveryState,
    QueuedWebSocket,
    Session,
    SessionExpired,
    State,
    StateChange,
)
from readystate_server.lab.process import ServerProcess
from readystate_server.testing.inpage import raises, until
from tests.server.session_server import listen

from .conftest import reached
from .test_slow_clients import serving

RENEW = Session(renew=True)


def queue(where: Any, session: Any, **options: Any) -> QueuedWebSocket:
    return QueuedWebSocket(where, session=session, backoff=Backoff(0.01, 0.1), **options)


async def test_a_queue_goes_on_with_a_new_session() -> None:
    changes: list[StateChange] = []
    with ServerProcess() as process:
        where = process.ws_url("/ws/session?id=x&echo=1")
        async with queue(where, RENEW, on_state=changes.append) as ws:
            ws.send("first")
            assert await ws.recv() == "first"
            await ws.send("done")
            await asyncio.to_thread(process.kill)
            await reached(ws, State.WAITING)
            pending = ws.send("pending")
            await asyncio.to_thread(process.start)
            await pending
            await ws.send("further")
            # The echo of "done" may have been lost with the first server.
            received = [await ws.recv()]
            while received[-1] != "further":
                received.append(await ws.recv())
            assert received[-2:] == ["pending", "further"]
        (application,) = await asyncio.to_thread(process.journal, "x/session", closed=1)
        assert [message["data"] for message in application["messages"]] == ["pending", "further"]
    (error,) = [c.error for c in changes if isinstance(c.error, SessionExpired)]
    assert (error.why, error.unconfirmed, error.is_renewed) == ("forgotten", ["pending"], True)
    assert "does not know the session" in str(error)
    assert "sent again in a new session" in str(error)


async def test_the_exception_says_that_it_came_too_late_and_what_can_be_done() -> None:
    away = asyncio.Event()
    back = asyncio.Event()
    async with serving(listen, expires=0.05) as (address, sessions):

        async def where() -> str:
            if away.is_set():
                await back.wait()
            return address

        async with queue(where, True) as ws:
            await ws.send("done")
            away.set()
            ws._supervisor.dead("nothing is heard")
            await until(lambda: not sessions._by_key)
            pending = ws.send("pending")
            back.set()
            with raises(SessionExpired, match="the session has expired.*renew=True") as caught:
                await ws.recv()
            error = caught.value
            assert (error.why, error.unconfirmed) == ("expired", ["pending"])
            assert not error.is_renewed
            assert pending.state is DeliveryState.DROPPED
