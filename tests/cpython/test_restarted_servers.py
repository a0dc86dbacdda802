"""A server that was restarted, or has waited in vain, has the session no more."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator
from typing import Any

from readystate import (
    Backoff,
    Delivery,
    DeliveryState,
    QueuedWebSocket,
    Session,
    SessionExpired,
    StateChange,
)
from readystate_server.lab.process import ServerProcess
from readystate_server.testing.inpage import raises, until, url
from tests.server.session_server import listen

from .conftest import lost
from .test_slow_clients import serving

RENEW = Session(renew=True)


def queue(where: Any, session: Any, **options: Any) -> QueuedWebSocket:
    return QueuedWebSocket(where, session=session, backoff=Backoff(0.01, 0.1), **options)


async def killed(ws: QueuedWebSocket, process: ServerProcess) -> Delivery:
    """One message is done; then the server is killed. Returns what waits for the next one."""
    await ws.send("done")
    await asyncio.to_thread(process.kill)
    await lost(ws)
    return ws.send("pending")


async def taken(ws: QueuedWebSocket, last: str) -> AsyncIterator[str | bytes]:
    async for message in ws:
        yield message
        if message == last:
            return


async def test_the_exception_says_that_the_server_was_restarted() -> None:
    with ServerProcess() as process:
        async with queue(process.ws_url("/ws/session?id=x"), True) as ws:
            pending = await killed(ws, process)
            await asyncio.to_thread(process.start)
            with raises(SessionExpired, match="does not know the session") as caught:
                await ws.recv()
            assert caught.value.why == "forgotten"
            assert caught.value.unconfirmed == ["pending"]
            assert not caught.value.is_renewed
            assert "renew=True" in str(caught.value)
            assert pending.state is DeliveryState.DROPPED


async def test_a_queue_goes_on_with_a_new_session() -> None:
    changes: list[StateChange] = []
    with ServerProcess() as process:
        where = process.ws_url("/ws/session?id=x&echo=1")
        async with queue(where, RENEW, on_state=changes.append) as ws:
            ws.send("first")
            assert await ws.recv() == "first"
            pending = await killed(ws, process)
            await asyncio.to_thread(process.start)
            await pending
            await ws.send("further")
            # The echo of "done" may have been lost with the first server.
            received = [message async for message in taken(ws, "further")]
            assert received[-2:] == ["pending", "further"]
        (application,) = await asyncio.to_thread(process.journal, "x/session", closed=1)
        assert [message["data"] for message in application["messages"]] == ["pending", "further"]
    (error,) = [c.error for c in changes if isinstance(c.error, SessionExpired)]
    assert (error.why, error.unconfirmed, error.is_renewed) == ("forgotten", ["pending"], True)
    assert "sent again in a new session" in str(error)


async def test_what_waits_to_be_received_is_not_counted_in_the_new_session() -> None:
    """Else the client would acknowledge what the new server has never sent."""

    async def speak(session: Any) -> None:
        for number in range(5):
            await session.send(f"{number} of {session.id}")
        await session.recv()

    async with serving(speak) as (first, _), serving(speak) as (second, sessions):
        addresses = itertools.chain([first], itertools.repeat(second))
        async with queue(lambda: next(addresses), RENEW) as ws:
            await until(lambda: len(ws._receiver._queue) == 5)
            ws._supervisor.dead("nothing is heard")
            await until(lambda: len(ws._receiver._queue) == 10)
            received = [str(await ws.recv()) for _ in range(10)]
            assert [text.split()[0] for text in received] == [*"01234"] * 2
            (session,) = sessions._by_key.values()
            await session.drain()
            ws.abort()


async def test_the_exception_says_that_it_came_too_late() -> None:
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
            back.set()
            with raises(SessionExpired, match="the session has expired") as caught:
                await ws.recv()
            assert caught.value.why == "expired"


async def test_what_is_renewed_is_a_session_that_there_was() -> None:
    """A server that answers "open" so has no sessions at all."""
    async with queue(url("/ws/close", code=4404, protocol="readystate.v1"), RENEW) as ws:
        ws.send("x")
        with raises(SessionExpired) as caught:
            await ws.recv()
        assert caught.value.why == "unknown"


async def test_servers_that_forget_one_session_after_another() -> None:
    """What is unconfirmed is sent again in each, at least once, and in order."""
    received: list[str] = []

    async def handler(session: Any) -> None:
        async for message in session:
            received.append(message)
            if message.startswith("in doubt") and addresses:
                addresses.pop()
                await asyncio.Event().wait()  # It is never done with it.

    def are_left(count: int) -> bool:
        return len(addresses) == count

    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(handler)) for _ in range(4)]
        addresses = [address for address, _ in servers]
        last = addresses.pop(0)
        async with queue(lambda: [last, *addresses][-1], RENEW) as ws:
            in_doubt = ws.send("in doubt"), ws.send("behind it")
            for left in (2, 1, 0):
                await until(functools.partial(are_left, left))
                ws._supervisor.dead("nothing is heard")
            await asyncio.gather(*in_doubt)
            ws.abort()
    assert received == ["in doubt"] * 4 + ["behind it"]
