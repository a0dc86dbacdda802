"""What a server promises its handler and its clients, over connections within this process."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
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
from readystate_server.sessions.store import Message, Record
from tests.server.session_client import TIMEOUT, MemoryEnd, SessionClient, memory_pair

FAR = 3600.0


def run(test: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(TIMEOUT):
            await test

    asyncio.run(main())


class Server:
    """Sessions whose handlers are driven by the test."""

    def __init__(self, handler: Callable[[ServerSession], Awaitable[None]], **options: Any) -> None:
        self.all: list[ServerSession] = []
        self.ends: list[BaseException | None] = []
        self.sessions = Sessions(self._handle, **options)
        self._handler = handler
        self._changed = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def session(self) -> ServerSession:
        return self.all[-1]

    def connect(self, *, origin: str | None = "https://example.org", user: Any = None) -> MemoryEnd:
        """A new connection; returns the client's end of it."""
        client, server = memory_pair(origin)
        task = asyncio.create_task(self.sessions.serve(server, user))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return client

    async def until_handled(self, count: int = 1) -> None:
        """Waits until so many handlers have ended."""
        while len(self.ends) < count:
            self._changed.clear()
            await self._changed.wait()

    async def until_served(self) -> None:
        """Waits until no connection is served any more."""
        if self._serving:
            await asyncio.wait(self._serving)

    async def _handle(self, session: ServerSession) -> None:
        self.all.append(session)
        end: BaseException | None = None
        try:
            await self._handler(session)
        except BaseException as error:
            end = error
            raise
        finally:
            self.ends.append(end)
            self._changed.set()


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[ServerSession], Awaitable[None]], **options: Any
) -> AsyncIterator[Server]:
    server = Server(handler, **options)
    try:
        yield server
    finally:
        await server.sessions.close()
        await server.until_served()


async def echo(session: ServerSession) -> None:
    async for message in session:
        await session.send(message)


async def wait(session: ServerSession) -> None:
    """Is done with nothing."""
    await asyncio.Event().wait()


async def listen(session: ServerSession) -> None:
    async for _ in session:
        pass


# One object over all connections.


def test_messages_go_both_ways() -> None:
    messages: list[Message] = ["a", b"b", "\x10", '\x10{"ack":1}', "", b"", "\U0001f600"]

    async def test() -> None:
        async with serving(echo) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                deliveries = [client.send(message) for message in messages]
                await client.until_received(len(messages))
                assert client.received == messages
                for delivery in deliveries:
                    await delivery

    run(test())


def test_the_handler_goes_on_over_the_next_connection() -> None:
    async def test() -> None:
        async with serving(echo) as server:
            client = SessionClient()
            for number in range(5):
                client.send(f"{number} offline")
                async with client.connected(server.connect()):
                    client.send(f"{number} online")
                    await client.until_received(2 * number + 2)
            expected = [f"{number} {how}" for number in range(5) for how in ("offline", "online")]
            assert client.received == expected
            assert len(server.all) == 1
            assert not server.session.is_resumed
            assert len(server.sessions) == 1

    run(test())


def test_what_was_on_its_way_is_sent_again() -> None:
    async def test() -> None:
        count = 2000
        lock = asyncio.Event()

        async def handler(session: ServerSession) -> None:
            await lock.wait()
            for number in range(count):
                await session.send(str(number))
            await listen(session)

        async with serving(handler, resume_burst=1000) as server:
            client = SessionClient()
            lock.set()
            while len(client.received) < count:
                wire = server.connect()
                async with client.connected(wire):
                    await client.until_received(min(count, len(client.received) + 97))
            assert client.received == [str(number) for number in range(count)]

    run(test())


def test_send_is_possible_without_a_connection() -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
            await server.until_served()
            assert not server.session.is_connected
            delivery = await server.session.send("later")
            assert delivery.reason is None
            async with client.connected(server.connect()):
                await delivery
                assert delivery.state is DeliveryState.CONFIRMED
                assert delivery.reason == "session"
                assert server.session.is_connected
            assert client.received == ["later"]

    run(test())


def test_anything_with_the_buffer_protocol_is_sent_as_bytes() -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                data = bytearray(b"abc")
                await server.session.send(data)
                data[:] = b"xyz"  # too late
                await server.session.send(memoryview(b"abcdef")[::2])
                await server.session.send("ä")
                await client.until_received(3)
                assert client.received == [b"abc", b"ace", "ä"]
                assert server.session._core.outbox.sent_bytes == 3 + 3 + 2
                for wrong in (None, 1, ["a"]):
                    with pytest.raises(TypeError, match=type(wrong).__name__):
                        await server.session.send(wrong)  # type: ignore[arg-type]
                with pytest.raises(UnicodeEncodeError):
                    await server.session.send("\ud800")

    run(test())


def test_send_waits_while_too_much_waits() -> None:
    async def test() -> None:
        async with serving(wait, max_pending=2, max_pending_bytes=10) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
            await server.until_served()
            session = server.session
            await session.send("12345678")
            for too_much in (b"123", bytes(100)):
                waiting = asyncio.create_task(session.send(too_much))
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(waiting), 0.02)
                waiting.cancel()
                await asyncio.wait((waiting,))
            await session.send("2")
            waiting = asyncio.create_task(session.send("3"))
            async with client.connected(server.connect()):
                await waiting
                await session.send(bytes(100))  # one message may always
                await client.until_received(4)
            assert client.received == ["12345678", "2", "3", bytes(100)]

    run(test())


def test_send_keeps_the_order_of_those_that_wait() -> None:
    async def test() -> None:
        async with serving(wait, max_pending=1) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
            await server.until_served()
            sending = [asyncio.create_task(server.session.send(str(n))) for n in range(10)]
            async with client.connected(server.connect()):
                await asyncio.wait(sending)
                await client.until_received(10)
            assert client.received == [str(number) for number in range(10)]

    run(test())


def test_what_is_small_does_not_overtake_what_waits() -> None:
    async def test() -> None:
        async with serving(wait, max_pending_bytes=10) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
            await server.until_served()
            await server.session.send("12345678")
            large = asyncio.create_task(server.session.send("large"))
            small = asyncio.create_task(server.session.send("s"))
            _, waiting = await asyncio.wait((large, small), timeout=0.02)
            assert waiting == {large, small}
            async with client.connected(server.connect()):
                await client.until_received(3)
            assert client.received == ["12345678", "large", "s"]

    run(test())


def test_the_clients_window_is_kept() -> None:
    async def test() -> None:
        async with serving(wait, ack_timeout=FAR) as server:
            client = SessionClient(window=Window(4, 1000))
            client.acknowledges = False
            async with client.connected(server.connect()):
                await client.until_joined()
                deliveries = [await server.session.send(str(number)) for number in range(10)]
                await client.until_received(4)
                states = [delivery.state for delivery in deliveries]
                assert states == [DeliveryState.SENT] * 4 + [DeliveryState.QUEUED] * 6
                client.acknowledge(4)
                await client.until_received(10)

    run(test())


def test_drain_waits_until_all_is_confirmed() -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                deliveries = [await server.session.send(str(number)) for number in range(100)]
                await server.session.drain()
                assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}

    run(test())


# Done.


def test_a_message_is_done_when_the_handler_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.sessions.server_session.ACK_DELAY", 0.05)

    async def test() -> None:
        steps = [asyncio.Event() for _ in range(2)]
        in_hand: asyncio.Queue[str] = asyncio.Queue()

        async def handler(session: ServerSession) -> None:
            for step in steps:
                await session.recv()
                in_hand.put_nowait(session.message_id)
                await step.wait()
            await session.recv()

        async with serving(handler) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                first, second = client.send("1"), client.send("2")
                assert await in_hand.get() == f"{server.session.id}-1"
                assert first.state is DeliveryState.SENT
                steps[0].set()
                assert await in_hand.get() == f"{server.session.id}-2"
                await first
                assert second.state is DeliveryState.SENT
                steps[1].set()
                await second

    run(test())


@pytest.mark.parametrize("how", ["return", "close"])
def test_a_message_is_done_when_the_session_is_closed(how: str) -> None:
    async def test() -> None:
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

        async with serving(handler) as server:
            client = SessionClient()
            async with client.connected(server.connect()) as connection:
                delivery = client.send("question")
                await delivery
                assert await connection == (1000 if how == "return" else 4000)
            assert client.received == ["answer"]
            await server.until_handled()
            assert server.ends == [None]

    run(test())


def test_what_is_done_at_the_end_is_acknowledged_before_the_close_frame() -> None:
    async def test() -> None:
        async def handler(session: ServerSession) -> None:
            await session.recv()

        async with serving(handler) as server:
            wire = server.connect()
            await wire.send(SessionClient().core.hello())
            await wire.receive()
            await wire.send("one")
            assert await wire.receive() == control.encode("ack", 1)
            assert await wire.receive() is None
            assert wire.close_code == 1000

    run(test())


def test_there_is_a_message_id_while_a_message_is_in_hand() -> None:
    async def test() -> None:
        async def handler(session: ServerSession) -> None:
            with pytest.raises(RuntimeError, match="no message is in hand"):
                _ = session.message_id
            await session.recv()
            assert session.message_id == f"{session.id}-1"

        async with serving(handler) as server:
            client = SessionClient()
            async with client.connected(server.connect()) as connection:
                client.send("1")
                assert await connection == 1000
            await server.until_handled()
            assert server.ends == [None]

    run(test())


def test_only_one_task_receives() -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                one = asyncio.create_task(server.session.recv())
                another = asyncio.create_task(server.session.recv())
                with pytest.raises(ConcurrencyError):
                    await another
                client.send("1")
                assert await one == "1"

    run(test())


def test_receiving_can_be_cancelled() -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(server.session.recv(), 0.01)
                delivery = client.send("1")
                assert await server.session.recv() == "1"
                assert delivery.state is DeliveryState.SENT

    run(test())


def test_something_done_is_acknowledged_without_being_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("readystate_server.sessions.server_session.ACK_DELAY", 0.05)

    async def test() -> None:
        async with serving(listen) as server:
            client = SessionClient()
            wire = server.connect()
            await wire.send(client.core.hello())
            await wire.receive()
            await wire.send("one")
            assert await wire.receive() == control.encode("ack", 1)
            wire.abort()

    run(test())


# The end of a session.


def test_a_clean_end_by_the_client_ends_the_iteration() -> None:
    async def test() -> None:
        async with serving(listen) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.send("1")
                await wire.close(1000)
            await server.until_handled()
            assert server.ends == [None]
            assert len(server.sessions) == 0

    run(test())


def test_what_came_before_the_clients_end_is_still_received() -> None:
    async def test() -> None:
        go = asyncio.Event()
        received = []

        async def handler(session: ServerSession) -> None:
            await go.wait()
            async for message in session:
                received.append(message)

        async with serving(handler) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.until_joined()
                await wire.send("1")
                await wire.send("2")
                await wire.close(1000)
            await server.until_served()
            go.set()
            await server.until_handled()
            assert received == ["1", "2"]

    run(test())


def test_the_clients_own_code_is_an_error() -> None:
    async def test() -> None:
        async with serving(listen) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.until_joined()
                await wire.close(4001, "mine")
            await server.until_handled()
            (end,) = server.ends
            assert isinstance(end, ConnectionClosedError)
            assert (end.code, end.reason) == (4001, "mine")

    run(test())


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, None])
def test_other_codes_do_not_end_the_session(code: int | None) -> None:
    async def test() -> None:
        async with serving(echo) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.until_joined()
                if code is None:
                    wire.abort()
                else:
                    await wire.close(code)
            await server.until_served()
            assert len(server.sessions) == 1
            async with client.connected(server.connect()):
                client.send("still here")
                await client.until_received(1)

    run(test())


def test_a_handler_that_raises_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(session: ServerSession) -> None:
        await session.recv()
        raise LookupError("a mistake")

    async def test() -> None:
        async with serving(handler) as server:
            client = SessionClient()
            async with client.connected(server.connect()) as connection:
                delivery = client.send("secret payload")
                assert await connection == control.FAILED
            assert delivery.state is DeliveryState.SENT
            assert len(server.sessions) == 0
            secret = client.core.session
            assert secret is not None
            (record,) = caplog.records
            assert record.levelno == logging.ERROR
            assert "a mistake" in caplog.text
            assert secret not in caplog.text
            assert "secret payload" not in caplog.text
            wire = server.connect()
            assert await client.serve(wire) == control.NO_SUCH_SESSION

    run(test())


def test_a_handler_that_is_cancelled_ends_the_session() -> None:
    async def handler(session: ServerSession) -> None:
        await session.recv()
        raise asyncio.CancelledError

    async def test() -> None:
        async with serving(handler) as server:
            client = SessionClient()
            async with client.connected(server.connect()) as connection:
                client.send("1")
                assert await connection == control.FAILED

    run(test())


def test_a_session_expires_without_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with serving(listen, expires=0.1) as server:
            client = SessionClient()
            client.acknowledges = False
            async with client.connected(server.connect()):
                await client.until_joined()
                sent = await server.session.send("sent")
                await client.until_received(1)
            await server.until_served()
            queued = await server.session.send(b"queued")
            await server.until_handled()
            (end,) = server.ends
            assert isinstance(end, SessionExpired)
            assert end.unconfirmed == ["sent", b"queued"]
            for delivery in (sent, queued):
                assert delivery.reason == "session ended"
                with pytest.raises(MessageDropped):
                    await delivery
            with pytest.raises(SessionExpired):
                await server.session.send("too late")
            with pytest.raises(SessionExpired):
                await server.session.drain()
            assert await client.serve(server.connect()) == control.NO_SUCH_SESSION
            assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

    run(test())


def test_nothing_is_received_after_the_session_has_expired() -> None:
    async def test() -> None:
        received = []

        async def handler(session: ServerSession) -> None:
            received.append(await session.recv())
            with pytest.raises(SessionExpired):
                await session.drain()  # of something that nobody acknowledges
            received.append(await session.recv())

        async with serving(handler, expires=0.1) as server:
            client = SessionClient()
            client.acknowledges = False
            wire = server.connect()
            async with client.connected(wire):
                await client.until_joined()
                await server.session.send("never acknowledged")
                client.send("done")
                client.send("not done")
                await client.until_received(1)
                while server.session._core.received < 2:
                    await asyncio.sleep(0)
            await server.until_handled()
            assert isinstance(server.ends[0], SessionExpired)
            assert received == ["done"]

    run(test())


def test_a_session_with_a_connection_does_not_expire() -> None:
    async def test() -> None:
        kept = 0

        class Store(MemoryStore):
            async def keep(self, *arguments: Any) -> None:
                nonlocal kept
                await super().keep(*arguments)
                kept += 1
                if kept == 5:
                    enough.set()

        enough = asyncio.Event()
        store = Store(clock=lambda: 0)
        async with serving(echo, expires=0.05, store=store) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                await enough.wait()
                client.send("still here")
                await client.until_received(1)

    run(test())


def test_deliveries_are_never_left_in_limbo() -> None:
    async def test() -> None:
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

    run(test())


def test_closing_waits_for_what_was_sent_and_not_longer_than_it_may() -> None:
    async def test() -> None:
        async def handler(session: ServerSession) -> None:
            delivery = await session.send("never acknowledged")
            await session.close()
            assert delivery.state is DeliveryState.DROPPED

        async with serving(handler, close_timeout=0.05) as server:
            client = SessionClient()
            client.acknowledges = False
            async with client.connected(server.connect()) as connection:
                assert await connection == 1000
            await server.until_handled()
            assert server.ends == [None]

    run(test())


@pytest.mark.parametrize(("code", "reason"), [(999, ""), (1001, ""), (5000, ""), (1000, "ä" * 62)])
def test_closing_with_what_no_close_frame_may_have(code: int, reason: str) -> None:
    async def test() -> None:
        async with serving(wait) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                with pytest.raises(ValueError, match="close"):
                    await server.session.close(code, reason)
                assert len(server.sessions) == 1

    run(test())


# Another connection, another process.


def test_a_second_connection_takes_over() -> None:
    async def test() -> None:
        async with serving(echo) as server:
            client = SessionClient()
            first = server.connect()
            async with client.connected(first):
                client.send("1")
                await client.until_received(1)
                second = server.connect()
                await second.send(client.core.hello())
                answer = await second.receive()
                assert isinstance(answer, str)
                assert control.decode(answer)[0] == "resumed"
                while first.close_code is None:
                    await asyncio.sleep(0)
                assert first.close_code == control.TAKEN_OVER
                second.abort()
            assert len(server.all) == 1

    run(test())


def test_a_half_open_connection_does_not_hold_up_the_next_one() -> None:
    async def test() -> None:
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
            async with client.connected(server.connect()):
                await client.until_received(2)
            assert client.received == ["1", "2"]
            dead.peer.takes.set()

    run(test())


def test_of_many_resumptions_at_once_one_wins() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(echo, store=store, resume_burst=100) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                client.send("1")
                await client.until_received(1)
            await server.until_served()
            wires = [server.connect() for _ in range(20)]
            for wire in wires:
                await wire.send(client.core.hello())
            codes = []
            for wire in wires[:-1]:
                while await wire.receive() is not None:
                    pass
                codes.append(wire.close_code)
            assert codes == [control.TAKEN_OVER] * 19
            assert server.session.is_connected
            wires[-1].abort()

    run(test())


def test_another_process_goes_on() -> None:
    async def test() -> None:
        store = MemoryStore()
        steps = asyncio.Semaphore(0)

        async def handler(session: ServerSession) -> None:
            async for message in session:
                assert isinstance(message, str)
                await session.send(f"{session.message_id} {message}")
                await steps.acquire()

        async with (
            serving(handler, store=store) as one,
            serving(echo, store=store) as two,
        ):
            client = SessionClient()
            async with client.connected(one.connect(user="u")):
                for number in range(1, 6):
                    client.send(str(number))
                for _ in range(2):
                    steps.release()
                await client.until_received(3)
                id = one.session.id
                assert client.received == [f"{id}-{number} {number}" for number in (1, 2, 3)]
                undelivered = await one.session.send("before")
            async with client.connected(two.connect(user="u")):
                # The third one was not done, so that it comes again.
                await client.until_received(7)
                assert client.received[3:] == ["before", "3", "4", "5"]
                assert two.session.is_resumed
                assert two.session.id == id
                assert two.session.user == "u"
                for _ in range(3):  # what it has in hand, and what it has received
                    steps.release()
                await one.until_handled()
                (end,) = one.ends
                assert isinstance(end, ConnectionClosedError)
                assert end.code == control.TAKEN_OVER
                assert undelivered.reason == "taken over"
                assert len(one.sessions) == 0
                assert len(two.sessions) == 1

    run(test())


def test_the_process_that_was_left_closes_the_connection_that_it_still_has() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(echo, store=store) as one, serving(echo, store=store) as two:
            client = SessionClient()
            half_open = one.connect()
            connection = asyncio.create_task(client.serve(half_open))
            client.send("1")
            await client.until_received(1)
            other = two.connect()
            await other.send(client.core.hello())
            await other.receive()
            await half_open.send("2")
            assert await connection == control.TAKEN_OVER
            assert client.received == ["1"]
            other.abort()

    run(test())


def test_a_session_comes_back_to_a_process_that_has_had_it() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with (
            serving(echo, store=store, resume_burst=100) as one,
            serving(echo, store=store, resume_burst=100) as two,
        ):
            client = SessionClient()
            for number in range(20):
                server = (one, two)[number % 2]
                client.send(f"{number} offline")
                async with client.connected(server.connect()):
                    client.send(f"{number} online")
                    await client.until_received(2 * number + 2)
                await server.until_served()
            expected = [f"{number} {how}" for number in range(20) for how in ("offline", "online")]
            assert client.received == expected

    run(test())


def test_many_resumptions_at_another_process_claim_once() -> None:
    async def test() -> None:
        class Store(MemoryStore):
            async def claim(self, *arguments: Any) -> Record | None:
                await asyncio.sleep(0)
                return await super().claim(*arguments)

        store = Store()
        async with serving(echo, store=store) as one, serving(echo, store=store) as two:
            client = SessionClient()
            async with client.connected(one.connect()):
                client.send("1")
                await client.until_received(1)
            await one.until_served()
            wires = [two.connect() for _ in range(20)]
            for wire in wires:
                await wire.send(client.core.hello())
            for wire in wires[:-1]:
                while await wire.receive() is not None:
                    pass
            assert two.session._epoch == 2
            assert len(two.all) == 1
            wires[-1].abort()

    run(test())


def test_what_waited_for_the_clients_window_goes_on_within_it() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(wait, store=store) as one, serving(wait, store=store) as two:
            client = SessionClient(window=Window(4, 2**20))
            client.acknowledges = False
            async with client.connected(one.connect()):
                await client.until_joined()
                for number in range(50):
                    await one.session.send(str(number))
                await client.until_received(4)
            async with client.connected(two.connect()):
                await client.until_joined()
                client.ask()
                await client.until(lambda: not client.core._is_asking)
                assert len(client.received) == 4
                client.acknowledge(4)
                await client.until_received(50)
            assert client.received == [str(number) for number in range(50)]

    run(test())


def test_shutting_down_closes_with_1001_and_leaves_the_session_to_others() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(listen, store=store) as one, serving(wait, store=store) as two:
            client = SessionClient()
            greeting = one.connect()
            async with client.connected(one.connect()) as connection:
                await client.until_joined()
                delivery = await one.session.send("late")
                await one.sessions.close()
                assert await connection == 1001
            assert await greeting.receive() is None
            assert delivery.reason == "taken over"
            assert isinstance(one.ends[0], asyncio.CancelledError)
            assert len(one.sessions) == 0
            async with client.connected(two.connect()):
                await client.until_received(1)
            assert client.received == ["late"]
            late = one.connect()
            assert await late.receive() is None
            assert late.close_code == 1001

    run(test())


def test_a_handler_that_returns_when_it_is_cancelled_leaves_the_session_to_others() -> None:
    async def handler(session: ServerSession) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await wait(session)

    async def test() -> None:
        store = MemoryStore()
        async with serving(handler, store=store) as one, serving(echo, store=store) as two:
            client = SessionClient()
            async with client.connected(one.connect()) as connection:
                await client.until_joined()
                await one.sessions.close()
                assert await connection == 1001
            async with client.connected(two.connect()):
                client.send("1")
                await client.until_received(1)

    run(test())


# The store.


class SlowStore(MemoryStore):
    """Saves when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = asyncio.Event()
        self.saves.set()
        self.is_saving = asyncio.Event()
        self.error: Exception | None = None
        self.tries = 0

    async def save(self, *arguments: Any, **options: Any) -> None:
        self.is_saving.set()
        self.tries += 1
        await self.saves.wait()
        self._fail()
        await super().save(*arguments, **options)

    async def create(self, *arguments: Any) -> int:
        self._fail()
        return await super().create(*arguments)

    async def claim(self, *arguments: Any) -> Record | None:
        self._fail()
        return await super().claim(*arguments)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def test_nothing_goes_out_before_it_is_saved() -> None:
    async def test() -> None:
        store = SlowStore()
        async with serving(echo, store=store) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                store.saves.clear()
                delivery = client.send("1")
                await store.is_saving.wait()
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(_awaited(delivery)), 0.05)
                assert not client.received
                store.saves.set()
                await delivery
                await client.until_received(1)

    run(test())


def _awaited(delivery: Delivery) -> asyncio.Future[None]:
    async def main() -> None:
        await delivery

    return asyncio.ensure_future(main())


def test_shutting_down_waits_for_what_is_being_saved() -> None:
    async def test() -> None:
        store = SlowStore()
        async with serving(wait, store=store) as one, serving(wait, store=store) as two:
            client = SessionClient()
            async with client.connected(one.connect()):
                await client.until_joined()
                store.saves.clear()
                await one.session.send("late")
                await store.is_saving.wait()
                closing = asyncio.create_task(one.sessions.close())
                done, _ = await asyncio.wait((closing,), timeout=0.02)
                assert not done
                store.saves.set()
                await closing
            async with client.connected(two.connect()):
                await client.until_received(1)

    run(test())


def test_an_answer_is_saved_together_with_what_it_answers() -> None:
    async def test() -> None:
        saved: list[tuple[int, list[Message]]] = []

        class Store(MemoryStore):
            async def save(self, *arguments: Any, **options: Any) -> None:
                saved.append((options["done"], list(options["messages"])))
                await super().save(*arguments, **options)

        async with serving(echo, store=Store()) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                for number in range(1, 100):
                    client.send(str(number))
                await client.until_received(99)
            answers = 0
            for done, messages in saved:
                answers += len(messages)
                assert done == answers

    run(test())


def test_a_store_that_is_out_of_order_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("readystate_server.sessions.saver._PAUSES", Backoff(0.001, 0.001))

    async def test() -> None:
        store = SlowStore()
        async with serving(echo, store=store) as server:
            client = SessionClient()
            async with client.connected(server.connect()):
                await client.until_joined()
                store.error = OSError("out of reach")
                client.send("payload")
                while store.tries < 3:
                    await asyncio.sleep(0)
                store.error = None
                await client.until_received(1)
            assert "OSError: out of reach" in caplog.text
            assert "payload" not in caplog.text

    run(test())


@pytest.mark.parametrize("control_kind", ["open", "resume"])
def test_a_client_comes_later_when_the_store_is_out_of_order(control_kind: str) -> None:
    async def test() -> None:
        store = SlowStore()
        async with serving(echo, store=store) as server, serving(echo, store=store) as other:
            client = SessionClient()
            if control_kind == "resume":
                async with client.connected(other.connect()):
                    await client.until_joined()
            store.error = OSError("out of reach")
            assert await client.serve(server.connect()) == control.TRY_AGAIN
            store.error = None
            async with client.connected(server.connect()):
                client.send("1")
                await client.until_received(1)

    run(test())


def test_the_store_has_no_secret_and_forgets_what_has_ended() -> None:
    async def test() -> None:
        store = MemoryStore()
        async with serving(listen, store=store) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.until_joined()
                secret = client.core.session
                assert secret is not None
                assert list(store._entries) == [hashlib.sha256(secret.encode()).hexdigest()]
                assert server.session.id == next(iter(store._entries))
                assert secret not in repr(server.session)
                await wire.close(1000)
            await server.until_handled()
            while server.sessions._by_key:
                await asyncio.sleep(0)
            assert len(store) == 0

    run(test())


# What the constructor takes.


@pytest.mark.parametrize(
    "wrong", [{"expires": 0}, {"window": 0}, {"max_sessions": -1}, {"resume_rate": -1}]
)
def test_arguments_that_make_no_sense(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Sessions(echo, **wrong)  # type: ignore[arg-type]


def test_what_the_objects_say_of_themselves() -> None:
    async def test() -> None:
        async with serving(listen) as server:
            client = SessionClient()
            wire = server.connect()
            async with client.connected(wire):
                await client.send("1")
                assert repr(server.sessions) == "<Sessions 1 sessions, 1 connections>"
                id = server.session.id[:8]
                assert (
                    repr(server.session)
                    == f"<ServerSession {id}… connected; 1 done, 0 unconfirmed>"
                )
                await wire.close(1000)
            await server.until_handled()
            assert "ended: 1000" in repr(server.session)

    run(test())
