"""Clients that lie, guess, flood, or do nothing: a close code for each, no crash, no growth."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import math
import secrets
import tracemalloc
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readystate import ConnectionClosedError, Delivery, DeliveryState
from readystate.exceptions import SessionExpired
from readystate.session.control import DLE, MAX_NUMBER, decode, encode, ends_session
from readystate_server.sessions import MemoryStore, ServerSession, Sessions
from readystate_server.sessions.store import Message
from tests.server.session_client import TIMEOUT, MemoryEnd, memory_pair

WINDOW = [1024, 2**20]


def run(test: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(TIMEOUT):
            await test

    asyncio.run(main())


class Server:
    """A server that echoes, and its clients."""

    def __init__(self, **options: Any) -> None:
        # One after the other at the default rate would take long, and show nothing more.
        self.sessions = Sessions(self._handle, **{"connect_rate": math.inf, **options})
        self.all: list[ServerSession] = []
        self.ends: asyncio.Queue[BaseException | None] = asyncio.Queue()
        self.serving: set[asyncio.Task[None]] = set()

    def connect(self, *, origin: str | None = "https://example.org", user: Any = None) -> MemoryEnd:
        client, server = memory_pair(origin)
        task = asyncio.create_task(self.sessions.serve(server, user))
        self.serving.add(task)
        task.add_done_callback(self._served)
        return client

    async def open(self, **options: Any) -> tuple[MemoryEnd, str]:
        """A connection with a session of its own, and the secret."""
        wire = self.connect(**options)
        await wire.send(encode("open", {"window": WINDOW}))
        answer = await wire.receive()
        assert isinstance(answer, str)
        kind, said = decode(answer)
        assert kind == "opened"
        return wire, said["session"]

    async def refusal(self, first: Message, **options: Any) -> tuple[int | None, str]:
        """The close code and reason for a connection that begins so."""
        wire = self.connect(**options)
        await wire.send(first)
        assert await wire.receive() is None
        return wire.close_code, wire.close_reason

    async def _handle(self, session: ServerSession) -> None:
        self.all.append(session)
        end: BaseException | None = None
        try:
            async for message in session:
                await session.send(message)
        except BaseException as error:
            end = error
            raise
        finally:
            self.ends.put_nowait(end)

    def _served(self, task: asyncio.Task[None]) -> None:
        self.serving.discard(task)
        task.result()  # no crash


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
    try:
        yield server
    finally:
        await server.sessions.close()
        if server.serving:
            await asyncio.wait(server.serving)


_connections = itertools.count(2)


def resume(secret: str, received: int = 0, *, connection: int | None = None) -> str:
    """What begins a connection; by default one that is later than all others."""
    if connection is None:
        connection = next(_connections)
    said = {"session": secret, "connection": connection, "received": received, "window": WINDOW}
    return encode("resume", said)


async def close_code(wire: MemoryEnd) -> int | None:
    """Reads to the end."""
    while await wire.receive() is not None:
        pass
    return wire.close_code


# Guessed and stolen ids.


def test_all_wrong_ids_are_told_the_same() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(store=store) as server, serving(store=store) as other:
            wire, stolen = await server.open(user="ada")
            elsewhere, _ = await other.open(user="ada")
            ended, old = await server.open(user="ada")
            await ended.close(1000)
            await server.ends.get()
            # Anybody can make an id that looks like one of this server's.
            guessed = stolen[:8] + secrets.token_urlsafe(32)
            refusals = [
                await server.refusal(resume(guessed), user="ada"),
                await server.refusal(resume(stolen), user="eve"),
                await server.refusal(resume(stolen)),
                await server.refusal(resume(stolen), user="ada", origin="https://evil.example"),
                await server.refusal(resume(stolen), user="ada", origin=None),
                await server.refusal(resume(old), user="ada"),
            ]
            assert set(refusals) == {(4404, refusals[0][1])}
            refusals = [
                await other.refusal(resume(guessed), user="eve"),
                await other.refusal(resume(stolen), user="eve"),
                await other.refusal(resume(old), user="ada"),
            ]
            assert set(refusals) == {(4404, refusals[0][1])}
            # The owner notices nothing.
            await wire.send("still here")
            assert await wire.receive() == "still here"
            wire.abort()
            elsewhere.abort()

    run(test())


def test_a_session_that_is_being_forgotten_is_none_already() -> None:
    async def test() -> None:
        forgets, is_forgetting = asyncio.Event(), asyncio.Event()

        class Store(MemoryStore):
            async def delete(self, *arguments: Any) -> None:
                is_forgetting.set()
                await forgets.wait()
                await super().delete(*arguments)

        async with serving(store=Store()) as server:
            wire, secret = await server.open()
            await wire.close(1000)
            await is_forgetting.wait()
            assert (await server.refusal(resume(secret)))[0] == 4404
            forgets.set()

    run(test())


def test_the_application_may_say_whom_a_session_belongs_to() -> None:
    async def test() -> None:
        def identify(origin: str | None, user: Any) -> str:
            return str(user)

        async with serving(identify=identify) as server:
            wire, secret = await server.open(user=1)
            wire.abort()
            other = server.connect(user=1, origin="https://other.example")
            await other.send(resume(secret))
            assert isinstance(await other.receive(), str)
            assert (await server.refusal(resume(secret), user=2))[0] == 4404
            other.abort()

    run(test())


def test_an_owner_cannot_be_made_up_of_parts() -> None:
    async def test() -> None:
        async with serving() as server:
            _, secret = await server.open(origin="a", user='b","c')
            assert (await server.refusal(resume(secret), origin='a","b', user="c"))[0] == 4404

    run(test())


def test_ids_are_not_tried_without_end() -> None:
    async def test() -> None:
        store = CountingStore()
        async with serving(store=store, unknown_burst=50, unknown_rate=0) as server:
            codes = [
                (await server.refusal(resume(secrets.token_urlsafe(32))))[0] for _ in range(200)
            ]
            assert codes == [4404] * 50 + [1013] * 150
            assert store.claims == 50
            wire, secret = await server.open()  # new sessions, and those that are here, go on
            wire.abort()
            again = server.connect()
            await again.send(resume(secret))
            assert isinstance(await again.receive(), str)
            again.abort()

    run(test())


def test_ids_of_other_processes_do_not_count_as_tried() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with (
            serving(store=store) as one,
            serving(store=store, unknown_burst=2, unknown_rate=0) as two,
        ):
            for _ in range(10):
                wire, secret = await one.open()
                wire.abort()
                other = two.connect()
                await other.send(resume(secret))
                assert isinstance(await other.receive(), str)
                other.abort()

    run(test())


class CountingStore(MemoryStore):
    claims = 0

    async def claim(self, *arguments: Any) -> Any:
        self.claims += 1
        return await super().claim(*arguments)


# Numbers.


@pytest.mark.parametrize(
    "lie",
    [1, MAX_NUMBER, MAX_NUMBER + 1, -1, 0.5, "0", None, True, [0]],
)
def test_an_acknowledgement_of_what_was_not_sent(lie: Any) -> None:
    async def test() -> None:
        async with serving() as server:
            wire, secret = await server.open()
            await wire.send(encode("ack", lie))
            assert await close_code(wire) == 4400
            end = await server.ends.get()
            assert isinstance(end, ConnectionClosedError)
            assert end.code == 4400
            assert (await server.refusal(resume(secret)))[0] == 4404

    run(test())


def test_an_acknowledgement_that_goes_back() -> None:
    async def test() -> None:
        async with serving() as server:
            wire, _ = await server.open()
            for number in range(5):
                await wire.send(str(number))
                assert await wire.receive() == str(number)
            await wire.send(encode("ack", 5))
            await wire.send(encode("ack", 4))
            assert await close_code(wire) == 4400

    run(test())


@pytest.mark.parametrize("received", [1, MAX_NUMBER])
def test_a_resumption_that_has_received_what_was_not_sent(received: int) -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(store=store) as server, serving(store=store) as other:
            for at in (server, other):
                wire, secret = await server.open()
                wire.abort()
                assert (await at.refusal(resume(secret, received)))[0] == 4400
                # Which has changed nothing.
                again = server.connect()
                await again.send(resume(secret))
                assert isinstance(await again.receive(), str)
                again.abort()

    run(test())


@pytest.mark.parametrize("lie", [0, 2, 5])
def test_a_resumption_that_has_received_less_than_it_has_acknowledged(lie: int) -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(store=store) as one, serving(store=store) as two:
            wire, secret = await one.open()
            for number in range(4):
                await wire.send(str(number))
                assert await wire.receive() == str(number)
                if number == 2:
                    await wire.send(encode("ack", 3))
            wire.abort()
            for server in (one, two):
                assert (await server.refusal(resume(secret, lie)))[0] == 4400
            for server in (one, two):
                again = server.connect()
                await again.send(resume(secret, 3))
                await again.receive()
                assert await again.receive() == encode("ack", 4)
                assert await again.receive() == "3"
                again.abort()

    run(test())


@pytest.mark.parametrize("where", ["the same process", "another process"])
def test_a_resumption_that_is_late_disturbs_nobody(where: str) -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(store=store) as server, serving(store=store) as other:
            first, secret = await server.open()
            first.abort()
            current = server.connect()
            await current.send(resume(secret, connection=1000))
            assert isinstance(await current.receive(), str)
            late = server if where == "the same process" else other
            for connection in (0, 1, 999, 1000):
                code, _ = await late.refusal(resume(secret, connection=connection))
                assert code == 4409
            await current.send("still here")
            assert await current.receive() == "still here"
            current.abort()

    run(test())


@pytest.mark.parametrize(
    "first",
    [
        "hello",
        b"hello",
        "",
        DLE,
        DLE + DLE,
        DLE + "{}",
        DLE + "[]",
        DLE + "null",
        DLE + "{" * 5000,
        DLE + "[" * 4000,
        encode("ack", 0),
        encode("ask", 1),
        encode("opened", {}),
        encode("open", None),
        encode("open", {}),
        encode("open", {"window": [0, 1]}),
        encode("open", {"window": [1]}),
        encode("open", {"window": [1, -1]}),
        encode("open", {"window": [1, 2**53]}),
        encode("open", {"window": [1, True]}),
        encode("resume", {"session": "x" * 43, "connection": 2, "window": WINDOW}),
        encode("resume", {"session": "short", "connection": 2, "received": 0, "window": WINDOW}),
        encode("resume", {"session": "x" * 257, "connection": 2, "received": 0, "window": WINDOW}),
        encode("resume", {"session": "../" * 10, "connection": 2, "received": 0, "window": WINDOW}),
        encode("resume", {"session": ["x" * 43], "connection": 2, "received": 0, "window": WINDOW}),
        encode(
            "resume", {"session": "x" * 43, "connection": 2, "received": 2**53, "window": WINDOW}
        ),
        encode("resume", {"session": "x" * 43, "connection": 2, "received": 1e3, "window": WINDOW}),
        DLE + '{"open": {"window": [1, NaN]}}',
    ],
)
def test_a_connection_that_begins_otherwise(first: Message) -> None:
    async def test() -> None:
        async with serving() as server:
            code, reason = await server.refusal(first)
            assert code == 4400
            assert 0 < len(reason.encode()) <= 123
            assert len(server.sessions) == 0
            assert not server.all

    run(test())


def test_a_second_beginning() -> None:
    async def test() -> None:
        async with serving() as server:
            for kind in (encode("open", {"window": WINDOW}), resume("x" * 43)):
                wire, _ = await server.open()
                await wire.send(kind)
                assert await close_code(wire) == 4400

    run(test())


# Too much, and nothing.


@pytest.mark.parametrize(
    ("window", "messages"),
    [((4, 1000), ["x"] * 5), ((100, 10), [b"123456"] * 2), ((100, 100), [b"x" * 101, b""])],
)
def test_more_than_the_window(window: tuple[int, int], messages: list[Message]) -> None:
    async def test() -> None:
        never = asyncio.Event()

        async def handler(session: ServerSession) -> None:
            await never.wait()

        sessions = Sessions(handler, window=window[0], window_bytes=window[1], close_timeout=0.01)
        client, transport = memory_pair()
        serving = asyncio.create_task(sessions.serve(transport))
        await client.send(encode("open", {"window": WINDOW}))
        for message in messages:
            await client.send(message)
        assert await close_code(client) == 4413
        await serving
        assert len(sessions) == 0
        await sessions.close()

    run(test())


def test_a_message_that_is_too_long() -> None:
    async def test() -> None:
        async with serving(max_message=100) as server:
            wire, _ = await server.open()
            await wire.send("x" * 100)
            assert await wire.receive() == "x" * 100
            await wire.send("x" * 101)
            assert await close_code(wire) == 4413

    run(test())


def test_a_client_that_never_acknowledges() -> None:
    async def test() -> None:
        deliveries: list[Delivery] = []

        async def handler(session: ServerSession) -> None:
            while True:
                deliveries.append(await session.send("x"))

        sessions = Sessions(
            handler, ack_timeout=0.1, expires=0.1, max_unconfirmed=100, max_pending=100
        )
        client, transport = memory_pair()
        serving = asyncio.create_task(sessions.serve(transport))
        await client.send(encode("open", {"window": [2**31, 2**31]}))
        messages = 0
        while (message := await client.receive()) is not None:
            messages += message == "x"
            with contextlib.suppress(ConnectionError):
                await client.send(encode("ask", 1))  # which does not count
        assert client.close_code == 1013
        assert messages == 100
        await serving
        # It is kept for a client that comes back, and no longer than that.
        while len(sessions):
            await asyncio.sleep(0.01)
        assert len(deliveries) == 200
        assert {delivery.state for delivery in deliveries} == {DeliveryState.DROPPED}
        await sessions.close()

    run(test())


def test_a_client_that_acknowledges_slowly_is_left_in_peace() -> None:
    async def test() -> None:
        async with serving(ack_timeout=0.3, max_unconfirmed=1) as server:
            wire, _ = await server.open()
            for _ in range(6):
                await wire.send("x")
            answers = 0
            while answers < 6:
                if await wire.receive() == "x":
                    answers += 1
                    await asyncio.sleep(0.1)
                    await wire.send(encode("ack", answers))
            wire.abort()

    run(test())


def test_a_client_that_does_not_read_loses_its_connection_and_then_its_session() -> None:
    async def test() -> None:
        async with serving(ack_timeout=0.05, expires=0.1) as server:
            wire, _ = await server.open()
            await wire.send("1")
            assert await wire.receive() == "1"
            wire.peer.takes.clear()
            await wire.send("2")
            assert isinstance(await server.ends.get(), SessionExpired)
            wire.peer.takes.set()

    run(test())


def test_questions_that_are_never_read_do_not_pile_up() -> None:
    async def test() -> None:
        async with serving(ack_timeout=0.2, expires=0.1) as server:
            wire, _ = await server.open()
            wire.peer.takes.clear()
            for _ in range(10_000):
                await wire.send(encode("ask", 1))
            (session,) = server.all
            assert isinstance(await server.ends.get(), SessionExpired)
            assert wire._queue.qsize() == 0 or wire.has_ended
            assert session._core.received == 0
            wire.peer.takes.set()

    run(test())


def test_the_controls_that_wait_are_bounded() -> None:
    async def test() -> None:
        async with serving(close_timeout=0.1) as server:
            wire, _ = await server.open()
            (session,) = server.all
            wire.peer.sending.clear()
            wire.peer.takes.clear()
            await wire.send("x")
            await wire.peer.sending.wait()
            for _ in range(10_000):
                await wire.send(encode("ask", 1))
            while wire.peer._queue.qsize():
                await asyncio.sleep(0)
            wire.peer.takes.set()
            await session.close()
            # What was being sent when they came, and one answer to all of them.
            said = []
            while isinstance(message := await wire.receive(), str):
                said.append(message)
            assert len(said) < 5

    run(test())


def test_a_client_that_does_not_take_the_close_frame() -> None:
    async def test() -> None:
        async with serving(close_timeout=0.05) as server:
            wire, _ = await server.open()
            wire.peer.takes.clear()
            await wire.send(encode("ack", 1))
            assert await close_code(wire) is None
            assert wire.has_ended
            wire.peer.takes.set()

    run(test())


def test_a_client_that_says_nothing() -> None:
    async def test() -> None:
        async with serving(handshake_timeout=0.05) as server:
            wire = server.connect()
            assert await close_code(wire) == 1013

    run(test())


# Floods.


def test_a_flood_of_sessions() -> None:
    async def test() -> None:
        async with serving(max_sessions=10) as server:
            wires = [(await server.open())[0] for _ in range(10)]
            for _ in range(50):
                assert (await server.refusal(encode("open", {"window": WINDOW})))[0] == 1013
            await wires[0].close(1000)
            await server.ends.get()
            while len(server.sessions._handlers) == 10:
                await asyncio.sleep(0)
            await server.open()
            assert (await server.refusal(encode("open", {"window": WINDOW})))[0] == 1013

    run(test())


def test_a_flood_of_sessions_at_once() -> None:
    async def test() -> None:
        class Store(MemoryStore):
            async def create(self, *arguments: Any) -> int:
                await asyncio.sleep(0)
                return await super().create(*arguments)

        async with serving(max_sessions=10, store=Store()) as server:
            wires = [server.connect() for _ in range(10)]
            for wire in wires:
                await wire.send(encode("open", {"window": WINDOW}))
            more = [server.connect() for _ in range(20)]
            for wire in more:
                await wire.send(encode("open", {"window": WINDOW}))
            for wire in wires:
                assert isinstance(await wire.receive(), str)
            assert [await close_code(wire) for wire in more] == [1013] * 20
            assert len(server.sessions) == 10

    run(test())


def test_a_flood_of_connections_that_say_nothing() -> None:
    async def test() -> None:
        async with serving(max_sessions=10) as server:
            for _ in range(10):
                server.connect()
            late = [server.connect() for _ in range(20)]
            assert [await close_code(wire) for wire in late] == [1013] * 20

    run(test())


def test_handlers_that_do_not_return_count_as_sessions() -> None:
    async def test() -> None:
        go = asyncio.Event()

        async def handler(session: ServerSession) -> None:
            await go.wait()

        sessions = Sessions(handler, max_sessions=3)
        codes = []
        for _ in range(5):
            client, transport = memory_pair()
            serving = asyncio.create_task(sessions.serve(transport))
            await client.send(encode("open", {"window": WINDOW}))
            if await client.receive() is not None:
                await client.close(1000)
            codes.append(client.close_code)
            await serving
        assert codes == [None] * 3 + [1013] * 2
        assert len(sessions) == 0
        go.set()
        await sessions.close()

    run(test())


def test_a_flood_of_resumptions() -> None:
    async def test() -> None:
        store = CountingStore()
        async with serving(store=store, resume_burst=5, resume_rate=0) as server:
            wire, secret = await server.open()
            wire.abort()
            codes: list[int | None] = []
            for _ in range(5):
                wire = server.connect()
                await wire.send(resume(secret))
                assert isinstance(await wire.receive(), str)
            for _ in range(50):
                codes.append((await server.refusal(resume(secret)))[0])
            assert codes == [1013] * 50
            assert store.claims == 0
            # The one that has it is not disturbed, and the session not ended.
            await wire.send("still here")
            while await wire.receive() != "still here":
                pass
            assert len(server.sessions) == 1
            wire.abort()

    run(test())


def test_nothing_grows_with_what_is_refused() -> None:
    async def test() -> None:
        async with serving(unknown_burst=100, unknown_rate=0) as server:
            wire, secret = await server.open()

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
            wire.abort()

    run(test())


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
    st.just(encode("ask", 1)),
)


@given(st.lists(_garbage, max_size=30), st.booleans(), st.sampled_from(["abort", 1000, 1001]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_garbage(messages: list[Message], has_session: bool, end: str | int) -> None:
    async def test() -> None:
        async with serving(window=16, window_bytes=500, max_message=200) as server:
            bystander, _ = await server.open()
            wire = (await server.open())[0] if has_session else server.connect()
            with contextlib.suppress(ConnectionError):
                for message in messages:
                    await wire.send(message)
                    await asyncio.sleep(0)
            if end == "abort":
                wire.abort()
            else:
                await wire.close(int(end))
            code = await close_code(wire)
            assert code is None or code in (4400, 4404, 4413, 1000, 1001)
            if has_session and code is not None and ends_session(code):
                while len(server.sessions) > 1:
                    await asyncio.sleep(0)
            await bystander.send("still here")
            assert await bystander.receive() == "still here"
            bystander.abort()

    run(test())
