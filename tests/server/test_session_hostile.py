"""Clients that lie, guess, flood, or do nothing: a close code for each, no crash, no growth."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import secrets
import tracemalloc
from typing import Any
from unittest.mock import AsyncMock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readystate.exceptions import SessionExpired
from readystate.session.control import DLE, MAX_NUMBER, encode, ends_session
from readystate_server.sessions import MemoryStore, ServerSession
from readystate_server.sessions.store import Message
from tests.server.session_server import (
    OPEN,
    Server,
    hooked,
    others_first,
    resume,
    serving,
    two_processes,
)

ASK = encode("ask", 1)


# Guessed and stolen ids.


async def test_all_wrong_ids_are_told_the_same() -> None:
    async with two_processes() as (server, other):
        wire, stolen = await server.open(user="ada")
        await other.open(user="ada")
        ended, old = await server.open(user="ada")
        await ended.close(1000)
        await server.until_handled()
        # Anybody can make an id that looks like one of this server's.
        guessed = stolen[:8] + secrets.token_urlsafe(32)
        told = {
            await server.refusal(resume(guessed), user="ada"),
            await server.refusal(resume(stolen), user="eve"),
            await server.refusal(resume(stolen)),
            await server.refusal(resume(stolen), user="ada", origin="https://evil.example"),
            await server.refusal(resume(stolen), user="ada", origin=None),
            await server.refusal(resume(old), user="ada"),
        }
        told_elsewhere = {
            await other.refusal(resume(guessed), user="eve"),
            await other.refusal(resume(stolen), user="eve"),
            await other.refusal(resume(old), user="ada"),
        }
        assert len(told) == len(told_elsewhere) == 1
        assert {code for code, _ in told | told_elsewhere} == {4404}
        # The owner notices nothing.
        await wire.send("still here")
        assert await wire.receive() == "still here"


async def test_a_session_that_is_being_forgotten_is_none_already() -> None:
    forgets, is_forgetting = asyncio.Event(), asyncio.Event()

    async def forget(*_: Any) -> None:
        is_forgetting.set()
        await forgets.wait()

    async with serving(store=hooked(MemoryStore(), delete=forget)) as server:
        wire, secret = await server.open()
        await wire.close(1000)
        await is_forgetting.wait()
        assert await server.refusal_code(resume(secret)) == 4404
        forgets.set()


async def test_the_application_may_say_whom_a_session_belongs_to() -> None:
    async with serving(identify=lambda origin, user: str(user)) as server:
        _, secret = await server.open(user=1)
        await server.resume(secret, user=1, origin="https://other.example")
        assert await server.refusal_code(resume(secret), user=2) == 4404


async def test_an_owner_cannot_be_made_up_of_parts() -> None:
    async with serving() as server:
        _, secret = await server.open(origin="a", user='b","c')
        assert await server.refusal_code(resume(secret), origin='a","b', user="c") == 4404


async def test_ids_are_not_tried_without_end() -> None:
    claims = AsyncMock()
    store = hooked(MemoryStore(), claim=claims)
    async with serving(store=store, unknown_burst=50, unknown_rate=0) as server:
        codes = [await server.refusal_code(resume(secrets.token_urlsafe(32))) for _ in range(200)]
        assert codes == [4404] * 50 + [1013] * 150
        assert claims.await_count == 50
        # New sessions, and those that are here, go on.
        _, secret = await server.open()
        await server.resume(secret)


async def test_ids_of_other_processes_do_not_count_as_tried() -> None:
    async with two_processes(unknown_burst=2, unknown_rate=0) as (one, two):
        for _ in range(10):
            _, secret = await one.open()
            await two.resume(secret)


# Lies. Which numbers and controls are wrong is told in tests/unit/test_session_core.py.


# Too much, and nothing.


async def test_questions_of_a_client_that_does_not_read_do_not_pile_up() -> None:
    async with serving(ack_timeout=0.1, expires=0.1) as server:
        wire, _ = await server.open()
        wire.peer.takes.clear()
        for _ in range(10_000):
            await wire.send(ASK)
        # It loses its connection, and then its session.
        await server.until_handled()
        assert isinstance(server.ends[0], SessionExpired)
        assert wire.has_ended
        wire.peer.takes.set()


async def test_the_controls_that_wait_are_bounded() -> None:
    async with serving(close_timeout=0.1) as server:
        wire, _ = await server.open()
        wire.peer.sending.clear()
        wire.peer.takes.clear()
        await wire.send("x")
        await wire.peer.sending.wait()
        for _ in range(10_000):
            await wire.send(ASK)
        while wire.peer._queue.qsize():
            await asyncio.sleep(0)
        wire.peer.takes.set()
        await server.session.close()
        # What was being sent when they came, and one answer to all of them.
        said = []
        while isinstance(message := await wire.receive(), str):
            said.append(message)
        assert len(said) < 5


async def test_a_client_that_does_not_take_the_close_frame() -> None:
    async with serving(close_timeout=0.05) as server:
        wire, _ = await server.open()
        wire.peer.takes.clear()
        await wire.send(encode("ack", 1))
        assert await wire.until_closed() is None
        assert wire.has_ended
        wire.peer.takes.set()


# Floods.


async def test_a_flood_of_sessions() -> None:
    async with serving(max_sessions=10) as server:
        wires = [(await server.open())[0] for _ in range(10)]
        for _ in range(50):
            assert await server.refusal_code(OPEN) == 1013
        await wires[0].close(1000)
        while len(server.sessions._handlers) == 10:
            await asyncio.sleep(0)
        await server.open()
        assert await server.refusal_code(OPEN) == 1013


async def test_a_flood_of_sessions_at_once() -> None:
    store = hooked(MemoryStore(), create=others_first)
    async with serving(max_sessions=10, store=store) as server:
        wires = [server.connect() for _ in range(10)]
        for wire in wires:
            await wire.send(OPEN)
        more = [server.connect() for _ in range(20)]
        for wire in more:
            await wire.send(OPEN)
        for wire in wires:
            assert isinstance(await wire.receive(), str)
        assert [await wire.until_closed() for wire in more] == [1013] * 20
        assert len(server.sessions) == 10


async def test_a_flood_of_connections_that_say_nothing() -> None:
    async with serving(max_sessions=10) as server:
        for _ in range(10):
            server.connect()
        late = [server.connect() for _ in range(20)]
        assert [await wire.until_closed() for wire in late] == [1013] * 20


async def test_handlers_that_do_not_return_count_as_sessions() -> None:
    go = asyncio.Event()

    async def handler(session: ServerSession) -> None:
        await go.wait()

    async with serving(handler, max_sessions=3) as server:
        for _ in range(3):
            wire, _ = await server.open()
            await wire.close(1000)
            await server.until_served()
        assert len(server.sessions) == 0
        assert [await server.refusal_code(OPEN) for _ in range(2)] == [1013] * 2
        go.set()


async def test_a_flood_of_resumptions() -> None:
    claims = AsyncMock()
    store = hooked(MemoryStore(), claim=claims)
    async with serving(store=store, resume_burst=5, resume_rate=0) as server:
        wire, secret = await server.open()
        for _ in range(5):
            wire = await server.resume(secret)
        codes = [await server.refusal_code(resume(secret)) for _ in range(50)]
        assert codes == [1013] * 50
        assert claims.await_count == 0
        # The one that has it is not disturbed, and the session not ended.
        await wire.send("still here")
        while await wire.receive() != "still here":
            pass
        assert len(server.sessions) == 1


async def test_nothing_grows_with_what_is_refused() -> None:
    async with serving(unknown_burst=100, unknown_rate=0) as server:
        _, secret = await server.open()

        async def flood(count: int) -> None:
            for number in range(count):
                await server.refusal(resume(secrets.token_urlsafe(32)))
                await server.refusal(resume(secret), user=f"eve {number}")
                await server.refusal("garbage")

        await flood(150)
        gc.collect()
        tracemalloc.start()
        await flood(10)
        before, _ = tracemalloc.get_traced_memory()
        await flood(400)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 20_000  # less than 17 bytes for each


# Garbage.

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=10,
)
_kinds = st.sampled_from(["open", "opened", "resume", "resumed", "ack", "ask"])
_numbers = st.integers(-2, 30) | st.sampled_from([MAX_NUMBER, MAX_NUMBER + 1, 10**400])
_garbage = st.one_of(
    _texts,
    st.binary(max_size=50),
    _texts.map(lambda text: DLE + text),
    _json.map(lambda value: DLE + json.dumps(value)),
    st.builds(encode, _kinds, _json),
    st.builds(encode, st.sampled_from(["ack", "ask"]), _numbers),
    st.just(ASK),
)


@given(st.lists(_garbage, max_size=30), st.booleans(), st.sampled_from(["abort", 1000, 1001]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_garbage(messages: list[Message], has_session: bool, end: str | int) -> None:
    async def test() -> None:
        limits = serving(window=16, window_bytes=500, max_message=200)
        async with asyncio.timeout(20), limits as server:
            bystander, _ = await server.open()
            await throw(server, messages, has_session, end)
            await bystander.send("still here")
            assert await bystander.receive() == "still here"

    asyncio.run(test())


async def throw(server: Server, messages: list[Message], has_session: bool, end: str | int) -> None:
    """Sends garbage, and ends the connection if that has not."""
    wire = (await server.open())[0] if has_session else server.connect()
    with contextlib.suppress(ConnectionError):
        for message in messages:
            await wire.send(message)
            await asyncio.sleep(0)
    if end == "abort":
        wire.abort()
    else:
        await wire.close(int(end))
    code = await wire.until_closed()
    assert code in (None, 4400, 4404, 4413, 1000, 1001)
    if has_session and code is not None and ends_session(code):
        while len(server.sessions) > 1:
            await asyncio.sleep(0)
