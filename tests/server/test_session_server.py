"""What a server promises its handler and its clients, over connections within this process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import Any

import pytest

from readystate import (
    Backoff,
    ConcurrencyError,
    ConnectionClosedError,
    ConnectionClosedOK,
    Delivery,
    DeliveryState,
    MessageDropped,
)
from readystate.exceptions import SessionExpired
from readystate.session import control
from readystate.session.control import Window
from readystate_server.sessions import MemoryStore, ServerSession, Sessions
from readystate_server.sessions.store import Message
from tests.server.session_client import SessionClient
from tests.server.session_server import (
    Server,
    echo,
    hooked,
    is_waiting,
    listen,
    others_first,
    serving,
    two_processes,
    wait,
)

FAR = 3600.0


# One object over all connections.


async def test_a_session_comes_back_to_a_process_that_has_had_it() -> None:
    async with two_processes(echo, resume_burst=100) as servers:
        await talk(SessionClient(), [*servers] * 10)


async def talk(client: SessionClient, servers: list[Server]) -> None:
    """Sends to each over a connection, and before, and receives all of that again."""
    for number, server in enumerate(servers):
        client.send(f"{number} offline")
        async with client.connected(server.connect()):
            client.send(f"{number} online")
            await client.until_received(2 * number + 2)
        await server.until_served()
    expected = [f"{n} {how}" for n in range(len(servers)) for how in ("offline", "online")]
    assert client.received == expected


async def test_send_is_possible_without_a_connection() -> None:
    async with serving(wait) as server:
        client = await server.absent_client()
        assert not server.session.is_connected
        delivery = await server.session.send("later")
        assert delivery.reason is None
        async with server.client(client):
            await delivery
            assert delivery.state is DeliveryState.CONFIRMED
            assert delivery.reason == "session"
            assert server.session.is_connected
        assert client.received == ["later"]


async def test_anything_with_the_buffer_protocol_is_sent_as_bytes() -> None:
    async with serving(wait) as server, server.client() as client:
        session = server.session
        data = bytearray(b"abc")
        await session.send(data)
        data[:] = b"xyz"  # too late
        await session.send(memoryview(b"abcdef")[::2])
        await session.send("ä")
        await client.until_received(3)
        assert client.received == [b"abc", b"ace", "ä"]
        assert session._core.outbox.sent_bytes == 3 + 3 + 2
        for wrong in (None, 1, ["a"]):
            with pytest.raises(TypeError, match=type(wrong).__name__):
                await session.send(wrong)  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            await session.send("\ud800")


async def test_send_waits_while_too_much_waits() -> None:
    async with serving(wait, max_pending=2, max_pending_bytes=10) as server:
        client = await server.absent_client()
        session = server.session
        await session.send("12345678")
        for too_much in (b"123", bytes(100)):
            sending = asyncio.create_task(session.send(too_much))
            assert await is_waiting(sending)
            sending.cancel()
            await asyncio.wait((sending,))
        await session.send("2")
        third = asyncio.create_task(session.send("3"))
        async with server.client(client):
            await third
            await session.send(bytes(100))  # one message may always
            await client.until_received(4)
        assert client.received == ["12345678", "2", "3", bytes(100)]


@pytest.mark.parametrize(
    ("limit", "messages"),
    [
        ({"max_pending": 1}, [*"0123456789"]),
        # What is small does not overtake what is not.
        ({"max_pending_bytes": 10}, ["12345678", "large", "s"]),
    ],
)
async def test_send_keeps_the_order_of_those_that_wait(
    limit: dict[str, int], messages: list[str]
) -> None:
    async with serving(wait, **limit) as server:
        client = await server.absent_client()
        await server.session.send(messages[0])
        sending = {asyncio.create_task(server.session.send(message)) for message in messages[1:]}
        _, waiting = await asyncio.wait(sending, timeout=0.02)
        assert waiting == sending
        async with server.client(client):
            await client.until_received(len(messages))
        assert client.received == messages


async def test_the_clients_window_is_kept() -> None:
    client = SessionClient(window=Window(4, 1000))
    client.acknowledges = False
    async with serving(wait, ack_timeout=FAR) as server, server.client(client):
        deliveries = [await server.session.send(str(number)) for number in range(10)]
        await client.until_received(4)
        states = [delivery.state for delivery in deliveries]
        assert states == [DeliveryState.SENT] * 4 + [DeliveryState.QUEUED] * 6
        client.acknowledge(4)
        await client.until_received(10)


async def test_drain_waits_until_all_is_confirmed() -> None:
    async with serving(wait) as server, server.client():
        deliveries = [await server.session.send(str(number)) for number in range(100)]
        await server.session.drain()
        assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}


# Done.


@pytest.fixture
def quick_acks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.sessions.server_session.ACK_DELAY", 0.05)


@pytest.mark.usefixtures("quick_acks")
async def test_a_message_is_done_when_the_handler_comes_back() -> None:
    steps = [asyncio.Event() for _ in range(2)]
    in_hand: asyncio.Queue[str] = asyncio.Queue()

    async def handler(session: ServerSession) -> None:
        with pytest.raises(RuntimeError, match="no message is in hand"):
            _ = session.message_id
        for step in steps:
            await session.recv()
            in_hand.put_nowait(session.message_id)
            await step.wait()
        await session.recv()

    async with serving(handler) as server, server.client() as client:
        first, second = client.send("1"), client.send("2")
        assert await in_hand.get() == f"{server.session.id}-1"
        assert first.state is DeliveryState.SENT
        steps[0].set()
        assert await in_hand.get() == f"{server.session.id}-2"
        await first
        assert second.state is DeliveryState.SENT
        steps[1].set()
        await second


async def test_an_acknowledgement_goes_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.sessions.server_session.ACK_DELAY", FAR)
    monkeypatch.setattr("readystate_server.sessions.server_session.ACK_WITH_MESSAGE", 0)
    async with serving(echo) as server, server.client() as client:
        monkeypatch.setattr(client.core, "ask", lambda: None)
        client.send("1")
        await client.until_received(1)
        await client.until_confirmed()


@pytest.mark.parametrize(("how", "code"), [("return", 1000), ("close", 4000)])
async def test_a_message_is_done_when_the_session_is_closed(how: str, code: int) -> None:
    async def handler(session: ServerSession) -> None:
        await session.recv()
        await session.send("answer")
        if how == "close":
            await session.close(4000, "enough")
            with pytest.raises(ConnectionClosedError, match="4000 'enough'"):
                await session.recv()
            with pytest.raises(ConnectionClosedError):
                await session.send("too late")
            await session.close()  # does nothing

    async with serving(handler) as server, server.client() as client:
        await client.send("question")
        assert await client.connection == code
        assert client.received == ["answer"]
        await server.until_handled()
        assert server.ends == [None]


@pytest.mark.usefixtures("quick_acks")
@pytest.mark.parametrize("goes_on", [True, False])
async def test_what_is_done_is_acknowledged_unasked_and_before_the_end(goes_on: bool) -> None:
    async def handler(session: ServerSession) -> None:
        await session.recv()
        if goes_on:
            await session.recv()

    async with serving(handler) as server:
        wire, _ = await server.open()
        await wire.send("one")
        assert await wire.receive() == control.encode("ack", 1)
        if not goes_on:
            assert await wire.until_closed() == 1000


async def test_one_task_receives_and_can_be_cancelled() -> None:
    async with serving(wait) as server, server.client() as client:
        recv = server.session.recv
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(recv(), 0.01)
        one = asyncio.create_task(recv())
        with pytest.raises(ConcurrencyError):
            await asyncio.create_task(recv())
        delivery = client.send("1")
        assert await one == "1"
        assert delivery.state is DeliveryState.SENT


# The end of a session.


async def test_what_came_before_the_clients_end_is_still_received() -> None:
    go = asyncio.Event()
    received = []

    async def handler(session: ServerSession) -> None:
        await go.wait()
        async for message in session:
            received.append(message)

    async with serving(handler) as server:
        wire, _ = await server.open()
        await wire.send("1")
        await wire.send("2")
        await wire.close(1000)
        await server.until_served()
        go.set()
        await server.until_handled()
        assert received == ["1", "2"]


async def test_a_handler_that_raises_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(session: ServerSession) -> None:
        async for message in session:
            if message != "harmless":
                raise LookupError("a mistake")

    async with serving(handler) as server:
        async with server.client() as client:
            client.send("harmless")
            delivery = client.send("secret payload")
            assert await client.connection == control.FAILED
        assert delivery.state is DeliveryState.SENT
        assert len(server.sessions) == 0
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        # The log says which message it was, and nothing of it.
        in_hand = f"the message {server.session.id}-2 in hand (text, length 14)"
        assert f"{in_hand}, which ends the session with 4411" in record.getMessage()
        assert "a mistake" in caplog.text
        assert "secret payload" not in caplog.text
        assert client.core.session is not None
        assert client.core.session not in caplog.text
        assert await client.serve(server.connect()) == control.NO_SUCH_SESSION


async def test_a_handler_that_is_cancelled_ends_the_session() -> None:
    async def handler(session: ServerSession) -> None:
        await session.recv()
        raise asyncio.CancelledError

    async with serving(handler) as server, server.client() as client:
        client.send("1")
        assert await client.connection == control.FAILED


async def test_a_session_expires_without_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(listen, expires=0.1) as server:
        client = SessionClient()
        client.acknowledges = False
        async with server.client(client):
            session = server.session
            sent = await session.send("sent")
            await client.until_received(1)
        await server.until_served()
        queued = await session.send(b"queued")
        await server.until_handled()
        (end,) = server.ends
        assert isinstance(end, SessionExpired)
        assert "did not reconnect in time" in str(end)
        assert end.unconfirmed == ["sent", b"queued"]
        for delivery in (sent, queued):
            assert delivery.reason == "session ended"
            with pytest.raises(MessageDropped):
                await delivery
        for late in (session.send("too late"), session.drain()):
            with pytest.raises(SessionExpired):
                await late
        assert await client.serve(server.connect()) == control.NO_SUCH_SESSION
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_nothing_is_received_after_the_session_has_expired() -> None:
    received = []

    async def handler(session: ServerSession) -> None:
        received.append(await session.recv())
        with pytest.raises(SessionExpired):
            await session.drain()  # of something that nobody acknowledges
        received.append(await session.recv())

    async with serving(handler, expires=0.1) as server:
        client = SessionClient()
        client.acknowledges = False
        async with server.client(client):
            await server.session.send("never acknowledged")
            client.send("done")
            client.send("not done")
            await client.until_received(1)
            while server.session._core.received < 2:
                await asyncio.sleep(0)
        await server.until_handled()
        assert isinstance(server.ends[0], SessionExpired)
        assert received == ["done"]


async def test_a_session_with_a_connection_does_not_expire() -> None:
    kept: asyncio.Queue[Any] = asyncio.Queue()
    store = hooked(MemoryStore(clock=lambda: 0), keep=lambda *arguments: kept.put(arguments))
    async with serving(echo, expires=0.05, store=store) as server, server.client() as client:
        for _ in range(5):
            await kept.get()
        client.send("still here")
        await client.until_received(1)


async def test_deliveries_are_never_left_in_limbo() -> None:
    deliveries: list[Delivery] = []

    async def handler(session: ServerSession) -> None:
        while True:
            deliveries.append(await session.send("x"))

    async with serving(handler, max_pending=50, max_unconfirmed=50, ack_timeout=FAR) as server:
        client = SessionClient()
        client.acknowledges = False
        wire = server.connect()
        async with client.connected(wire):
            await client.until_received(50)
            while len(deliveries) < 100:
                await asyncio.sleep(0)
            await wire.close(1000)
        await server.until_handled()
        assert isinstance(server.ends[0], ConnectionClosedOK)
        assert {delivery.state for delivery in deliveries} == {DeliveryState.DROPPED}


async def test_closing_waits_for_what_was_sent_and_not_longer_than_it_may() -> None:
    async def handler(session: ServerSession) -> None:
        delivery = await session.send("never acknowledged")
        await session.close()
        assert delivery.state is DeliveryState.DROPPED

    async with serving(handler, close_timeout=0.05) as server:
        client = SessionClient()
        client.acknowledges = False
        assert await client.serve(server.connect()) == 1000
        await server.until_handled()
        assert server.ends == [None]


@pytest.mark.parametrize(("code", "reason"), [(999, ""), (1001, ""), (5000, ""), (1000, "ä" * 62)])
async def test_closing_with_what_no_close_frame_may_have(code: int, reason: str) -> None:
    async with serving(wait) as server, server.client():
        with pytest.raises(ValueError, match="close"):
            await server.session.close(code, reason)
        assert len(server.sessions) == 1


# Another connection, another process.


async def test_a_half_open_connection_does_not_hold_up_the_next_one() -> None:
    async with serving(echo, close_timeout=FAR) as server:
        client = SessionClient()
        dead = server.connect()
        connection = asyncio.create_task(client.serve(dead))
        client.send("1")
        await client.until_received(1)
        dead.peer.takes.clear()  # TCP takes nothing more, and nobody knows
        dead.peer.sending.clear()
        await server.session.send("2")
        await dead.peer.sending.wait()
        dead._queue.put_nowait(None)
        await connection
        async with server.client(client):
            await client.until_received(2)
        assert client.received == ["1", "2"]
        dead.peer.takes.set()


@pytest.mark.parametrize("where", ["the same process", "another process"])
async def test_of_many_resumptions_at_once_one_wins(where: str) -> None:
    store = hooked(MemoryStore(), claim=others_first)
    async with two_processes(echo, store=store) as (one, two):
        client = await one.absent_client()
        server = one if where == "the same process" else two
        wires = [server.connect() for _ in range(20)]
        for wire in wires:
            await wire.send(client.core.hello())
        codes = [await wire.until_closed() for wire in wires[:-1]]
        assert codes == [control.TAKEN_OVER] * 19
        assert server.session.is_connected
        # It was claimed at most once.
        assert (len(server.all), server.session._epoch) == (1, 1 if server is one else 2)


async def test_another_process_goes_on() -> None:
    steps = asyncio.Semaphore(0)

    async def handler(session: ServerSession) -> None:
        async for message in session:
            await session.send(f"{session.message_id} {message!s}")
            await steps.acquire()

    async with two_processes(handler, echo) as (one, two):
        async with one.client(user="u") as client:
            for number in range(1, 6):
                client.send(str(number))
            for _ in range(2):
                steps.release()
            await client.until_received(3)
            id = one.session.id
            assert client.received == [f"{id}-{number} {number}" for number in (1, 2, 3)]
            undelivered = await one.session.send("before")
        async with two.client(client, user="u"):
            # The third one was not done, so that it comes again.
            await client.until_received(7)
            assert client.received[3:] == ["before", "3", "4", "5"]
            session = two.session
            assert (session.is_resumed, session.id, session.user) == (True, id, "u")
            for _ in range(3):  # what it has in hand, and what it has received
                steps.release()
            await one.until_handled()
            (end,) = one.ends
            assert isinstance(end, ConnectionClosedError)
            assert end.code == control.TAKEN_OVER
            assert undelivered.reason == "taken over"
            assert (len(one.sessions), len(two.sessions)) == (0, 1)


async def test_the_process_that_was_left_closes_the_connection_that_it_still_has() -> None:
    async with two_processes(echo) as (one, two):
        half_open, secret = await one.open()
        await two.resume(secret)
        await half_open.send("1")
        assert await half_open.receive() is None
        assert half_open.close_code == control.TAKEN_OVER


async def test_what_waited_for_the_clients_window_goes_on_within_it() -> None:
    async with two_processes(wait) as (one, two):
        client = SessionClient(window=Window(4, 2**20))
        client.acknowledges = False
        async with one.client(client):
            for number in range(50):
                await one.session.send(str(number))
            await client.until_received(4)
        async with two.client(client):
            client.ask()
            await client.until(lambda: not client.core._is_asking)
            assert len(client.received) == 4
            client.acknowledge(4)
            await client.until_received(50)
        assert client.received == [str(number) for number in range(50)]


async def test_shutting_down_closes_with_1001_and_leaves_the_session_to_others() -> None:
    async with two_processes(listen, wait) as (one, two):
        greeting = one.connect()
        async with one.client() as client:
            delivery = await one.session.send("late")
            await one.sessions.close()
            assert await client.connection == 1001
        assert await greeting.receive() is None
        assert delivery.reason == "taken over"
        assert isinstance(one.ends[0], asyncio.CancelledError)
        assert len(one.sessions) == 0
        async with two.client(client):
            await client.until_received(1)
        assert client.received == ["late"]
        assert await one.connect().until_closed() == 1001


async def test_a_handler_that_returns_when_it_is_cancelled_leaves_the_session_to_others() -> None:
    async def handler(session: ServerSession) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await wait(session)

    async with two_processes(handler, echo) as (one, two):
        async with one.client() as client:
            await one.sessions.close()
            assert await client.connection == 1001
        async with two.client(client):
            client.send("1")
            await client.until_received(1)


# The store.


class SlowStore(MemoryStore):
    """Saves when the test lets it, and fails when the test has it fail."""

    def __init__(self) -> None:
        super().__init__()
        hooked(self, create=self._fail, claim=self._fail, save=self._wait)
        self.saves = asyncio.Event()
        self.saves.set()
        self.is_saving = asyncio.Event()
        self.error: Exception | None = None
        self.tries = 0

    async def _wait(self, *_: Any, **__: Any) -> None:
        self.is_saving.set()
        self.tries += 1
        await self.saves.wait()
        await self._fail()

    async def _fail(self, *_: Any) -> None:
        if self.error is not None:
            raise self.error


async def test_nothing_goes_out_before_it_is_saved() -> None:
    store = SlowStore()
    async with serving(echo, store=store) as server, server.client() as client:
        store.saves.clear()
        delivery = client.send("1")
        await store.is_saving.wait()
        assert await is_waiting(delivery)
        assert not client.received
        store.saves.set()
        await delivery
        await client.until_received(1)


async def test_shutting_down_waits_for_what_is_being_saved() -> None:
    store = SlowStore()
    async with two_processes(wait, store=store) as (one, two):
        async with one.client() as client:
            store.saves.clear()
            await one.session.send("late")
            await store.is_saving.wait()
            closing = asyncio.create_task(one.sessions.close())
            assert await is_waiting(closing)
            store.saves.set()
            await closing
        async with two.client(client):
            await client.until_received(1)


async def test_an_answer_is_saved_together_with_what_it_answers() -> None:
    saved: list[tuple[int, int]] = []

    async def note(*_: Any, done: int, messages: list[Message], **__: Any) -> None:
        saved.append((done, len(messages)))

    store = hooked(MemoryStore(), save=note)
    async with serving(echo, store=store) as server, server.client() as client:
        for number in range(1, 100):
            client.send(str(number))
        await client.until_received(99)
    answers = 0
    for done, count in saved:
        answers += count
        assert done == answers


async def test_a_store_that_is_out_of_order_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("readystate_server.sessions.saver._PAUSES", Backoff(0.001, 0.001))
    store = SlowStore()
    async with serving(echo, store=store) as server, server.client() as client:
        store.error = OSError("out of reach")
        client.send("payload")
        while store.tries < 3:
            await asyncio.sleep(0)
        store.error = None
        await client.until_received(1)
    assert "OSError: out of reach" in caplog.text
    assert "payload" not in caplog.text


@pytest.mark.parametrize("first", ["open", "resume"])
async def test_a_client_comes_later_when_the_store_is_out_of_order(first: str) -> None:
    store = SlowStore()
    async with two_processes(echo, store=store) as (server, other):
        client = SessionClient() if first == "open" else await other.absent_client()
        store.error = OSError("out of reach")
        assert await client.serve(server.connect()) == control.TRY_AGAIN
        store.error = None
        async with server.client(client):
            client.send("1")
            await client.until_received(1)


async def test_the_store_has_no_secret_and_forgets_what_has_ended() -> None:
    store = MemoryStore()
    async with serving(listen, store=store) as server:
        wire, secret = await server.open()
        assert list(store._entries) == [hashlib.sha256(secret.encode()).hexdigest()]
        assert server.session.id == next(iter(store._entries))
        assert secret not in repr(server.session)
        await wire.close(1000)
        await server.until_handled()
        while server.sessions._by_key:
            await asyncio.sleep(0)
        assert len(store) == 0


# What the objects take, and say of themselves.


@pytest.mark.parametrize(
    "wrong", [{"expires": 0}, {"window": 0}, {"max_sessions": -1}, {"resume_rate": -1}]
)
def test_arguments_that_make_no_sense(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Sessions(echo, **wrong)  # type: ignore[arg-type]


async def test_how_they_look() -> None:
    async with serving(listen) as server:
        async with server.client() as client:
            await client.send("1")
            assert repr(server.sessions) == "<Sessions 1 sessions, 1 connections>"
            shown = f"<ServerSession {server.session.id[:8]}… connected; 1 done, 0 unconfirmed>"
            assert repr(server.session) == shown
            await server.session.close()
        assert "ended: 1000" in repr(server.session)
