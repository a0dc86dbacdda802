"""QueuedWebSocket: what its users see of it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from readystate import (
    Acks,
    Backoff,
    Blob,
    CloseEvent,
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    Delivery,
    DeliveryState,
    DOMSyntaxError,
    Heartbeat,
    InvalidAccessError,
    MessageDropped,
    OpenTimeout,
    QueuedWebSocket,
    QueueFull,
    State,
    StateChange,
)
from readystate._host.cpython.values import NativeBlob
from readystate_server.testing.inpage import (
    Logged,
    all_gone,
    journal,
    new_id,
    raises,
    reported,
    turns,
    until,
    url,
)

from .conftest import Page, Sockets

# A connection that is closed at once, and may be made anew.
AGAIN = "/ws/close?code=1012"


def queued(where: Any = None, *arguments: Any, **options: Any) -> QueuedWebSocket:
    """One that hardly waits before it connects again."""
    options.setdefault("backoff", Backoff(0.01, 0.01))
    return QueuedWebSocket(url("/ws/echo") if where is None else where, *arguments, **options)


async def forever() -> str:
    """A function for the URL, of which none ever comes."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def slowly() -> Backoff:
    """Waits as good as for ever."""
    return Backoff(60, 60, jitter=0)


def in_turn(*paths: str) -> Callable[[], str]:
    """A function for the URL: the paths one after the other, and then the last one again."""
    left = list(paths)
    return lambda: url(left.pop(0) if len(left) > 1 else left[0])


async def reached(ws: QueuedWebSocket, state: State) -> StateChange:
    """Waits until it is in this state, and returns the change that led to it."""
    async for change in ws.states():
        if change.state is state:
            return change
    raise AssertionError(f"{ws} was never {state}")


async def lost(ws: QueuedWebSocket) -> StateChange:
    """Waits until it waits for the next attempt, and returns that change."""
    async for change in ws.states():
        if change.state is State.WAITING and change.error is not None:
            return change
    raise AssertionError(f"{ws} never waited")


async def followed(ws: QueuedWebSocket) -> list[StateChange]:
    return [change async for change in ws.states()]


def texts(connection: dict[str, Any]) -> list[str]:
    """What one connection of the journal has received."""
    return [message["data"] for message in connection["messages"]]


def taken() -> list[Any]:
    """The exceptions that were reported, which the test expects."""
    errors = [context["exception"] for context in reported]
    reported.clear()
    return errors


def accounted(ws: QueuedWebSocket) -> bool:
    """Whether each message is somewhere, and nowhere twice."""
    stats = ws.stats
    over = stats.confirmed + sum(stats.dropped.values())
    return stats.accepted == over + ws.pending + ws.unconfirmed


def echoed_acks(**options: Any) -> Acks:
    """For an echo: "#7 text" has the key "7", and "ack 7 8" that comes back acknowledges two."""

    def key(message: Any) -> str | None:
        return message[1:].partition(" ")[0] if str(message).startswith("#") else None

    def acked(message: str | bytes) -> list[str] | None:
        return str(message).split()[1:] if str(message).startswith("ack") else None

    return Acks(key, acked, **options)


def numbered_acks(**options: Any) -> Acks:
    """For /ws/peer, which acknowledges numbers."""

    def acked(message: str | bytes) -> list[int] | None:
        return json.loads(message)["ack"] if str(message).startswith('{"ack"') else None

    return Acks(int, acked, **options)


def unheard() -> Acks:
    """With which nothing is ever acknowledged."""
    return Acks(lambda message: message, lambda message: None)


def echoed_heartbeat(**options: Any) -> Heartbeat:
    """For an echo. Its interval is as good as never."""
    return Heartbeat(
        "ping", **{"interval": 3600, "timeout": 30, "is_reply": lambda m: m == "ping", **options}
    )


# Beginning and ending


async def test_as_a_context_manager() -> None:
    id = new_id()
    ws = queued(url("/ws/echo", id=id), ["json"])
    assert (ws.state, ws.url, ws.protocol) == (State.WAITING, "", "")
    async with ws as entered:
        assert entered is ws
        assert ws.state == "CONNECTING"
        delivery = ws.send("text")
        await delivery
        assert ws.state == "OPEN"
        assert ws.url == url("/ws/echo", id=id)
        assert ws.protocol == "json"
        assert (delivery.state, delivery.reason) == (DeliveryState.CONFIRMED, "left the page")
        assert await ws.recv() == "text"
        ws.send(b"binary")
        assert await ws.recv() == b"binary"
    assert ws.state is State.CLOSED
    assert (ws.url, ws.protocol) == ("", "")
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 1000, "reason": "", "clean": True}


async def test_start_and_close() -> None:
    id = new_id()
    ws = queued(url("/ws/echo", id=id))
    ws.start()
    assert ws.state == "CONNECTING"
    ws.send("x")
    await ws.close()
    assert ws.state is State.CLOSED
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["x"]


async def test_it_connects_from_the_start() -> None:
    """Also if it calls functions first."""
    ws = queued(forever)
    ws.start()
    assert ws.state is State.CONNECTING
    assert ws.stats.attempts == 1
    ws.abort()


async def test_messages_before_the_start() -> None:
    ws = queued()
    deliveries = [ws.send("a"), await ws.put(b"b")]
    assert (ws.pending, ws.pending_bytes, ws.unconfirmed, list(ws)) == (2, 2, 0, ["a", b"b"])
    async with ws:
        for delivery in deliveries:
            await delivery
        assert [await ws.recv(), await ws.recv()] == ["a", b"b"]
    assert (ws.pending, ws.unconfirmed) == (0, 0)


async def test_what_can_be_sent() -> None:
    blob = NativeBlob(b"blob")
    changes = bytearray(b"before")
    ws = queued()
    for message in ("é", "", "\ud800", changes, memoryview(b"abcd")[::2], blob, Blob(blob)):
        ws.send(message)  # type: ignore[arg-type]
    changes[:] = b"after!"
    with raises(TypeError):
        ws.send(5)  # type: ignore[arg-type]
    async with ws:
        received = [await ws.recv() for _ in range(7)]
    assert received == ["é", "", "\ufffd", b"before", b"ac", b"blob", b"blob"]


async def test_it_is_started_once() -> None:
    async with queued() as ws:
        with raises(RuntimeError, match="make a new object"):
            ws.start()
        with raises(RuntimeError):
            async with ws:
                pass
        ws.send("x")
        assert await ws.recv() == "x"
    with raises(RuntimeError):
        ws.start()


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_it_is_not_started_after_its_end(end: str) -> None:
    ws = queued()
    await ws.close() if end == "close" else ws.abort()
    with raises(ConnectionClosed):
        ws.start()
    assert ws.state is State.CLOSED


async def test_closing_what_was_never_started() -> None:
    ws = queued()
    delivery = ws.send("x")
    with Logged():
        await ws.close()
    assert delivery.reason == "closed"
    assert ws.state is State.CLOSED
    assert [message async for message in ws] == []
    with raises(ConnectionClosedOK):
        await ws.recv()


async def test_closing_twice_and_at_once() -> None:
    id = new_id()
    async with queued(url("/ws/echo", id=id)) as ws:
        ws.send("x")
        await asyncio.gather(ws.close(), ws.close(4000, "not the first"), ws.close())
        assert ws.state is State.CLOSED
        await ws.close()
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["x"]
    assert connection["close"]["code"] == 1000


async def test_a_cancelled_close_goes_on() -> None:
    id = new_id()
    ws = queued(url("/ws/echo", id=id))
    ws.start()
    delivery = ws.send("x")
    with raises(TimeoutError):
        async with asyncio.timeout(0):
            await ws.close()
    with raises(ConnectionClosed):
        ws.send("late")
    await reached(ws, State.CLOSED)
    assert delivery.state is DeliveryState.CONFIRMED
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["x"]


async def test_close_while_waiting_connects_again_to_deliver() -> None:
    id = new_id()
    where = in_turn(AGAIN, f"/ws/echo?id={id}")
    async with queued(where, backoff=slowly()) as ws:
        await lost(ws)
        delivery = ws.send("kept")
    assert delivery.state is DeliveryState.CONFIRMED
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["kept"]
    assert connection["close"]["clean"]


async def test_close_while_waiting_is_at_once_if_nothing_is_to_be_delivered() -> None:
    ws = queued(in_turn(AGAIN, "/ws/echo"), backoff=slowly())
    ws.start()
    await lost(ws)
    await ws.close()
    assert ws.stats.attempts == 1


async def test_close_while_connecting_leaves_no_socket() -> None:
    id = new_id()
    ws = queued(url("/ws/echo", id=id))
    ws.start()
    await ws.close()
    assert ws.state is State.CLOSED
    assert ws.stats.reconnects == 0
    await all_gone(id)


@pytest.mark.parametrize("argument", ["close(timeout=)", "close_timeout"])
async def test_close_drops_what_is_not_confirmed_in_time(argument: str) -> None:
    timeout = 0.05 if argument == "close_timeout" else 60
    ws = queued(acks=unheard(), close_timeout=timeout)
    ws.start()
    sent = ws.send("sent")
    await until(lambda: sent.state is DeliveryState.SENT)
    with Logged():
        await (ws.close() if argument == "close_timeout" else ws.close(timeout=0.05))
    with raises(MessageDropped, match="closed") as caught:
        await sent
    assert (caught.value.reason, caught.value.message) == ("closed", "sent")
    assert ws.stats.dropped == {"closed": 1}


async def test_close_drops_what_could_not_be_sent_in_time() -> None:
    ws = queued(forever, connect_timeout=None)
    ws.start()
    deliveries = [ws.send("a"), ws.send("b")]
    with Logged() as lines:
        await ws.close(timeout=0.01)
    assert [delivery.reason for delivery in deliveries] == ["closed", "closed"]
    # It says so once.
    (line,) = lines
    assert "1 bytes was dropped (closed)" in line


async def test_a_closing_handshake_confirms() -> None:
    """Nothing else will: the message has no key, and no later one is acknowledged."""
    ws = queued(acks=Acks(lambda message: None, lambda message: None))
    ws.start()
    delivery = ws.send("x")
    await until(lambda: delivery.state is DeliveryState.SENT)
    await ws.close(timeout=0.01)
    assert delivery.reason == "closing handshake"


async def test_a_bad_close_changes_nothing() -> None:
    async with queued() as ws:
        for code in (0, 1001, 2999, 5000):
            with raises(InvalidAccessError):
                await ws.close(code)
        for reason in ("x" * 124, "é" * 62):
            with raises(DOMSyntaxError):
                await ws.close(4000, reason)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.state is State.OPEN


@pytest.mark.parametrize("code", [1000, 4999])
async def test_code_and_reason_reach_the_server(code: int) -> None:
    id = new_id()
    ws = queued(url("/ws/echo", id=id))
    ws.start()
    await reached(ws, State.OPEN)
    await ws.close(code, "done")
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": code, "reason": "done", "clean": True}


@pytest.mark.parametrize("code", [1000, 4000])
async def test_a_connection_that_we_close_is_not_made_anew(code: int) -> None:
    asked: list[int] = []

    def should_reconnect(event: CloseEvent) -> bool:
        asked.append(event.code)
        return True

    ws = queued(should_reconnect=should_reconnect)
    ws.start()
    await reached(ws, State.OPEN)
    changes = asyncio.ensure_future(followed(ws))
    await asyncio.sleep(0)
    await ws.close(code)
    assert [change.state for change in await changes] == [State.OPEN, State.CLOSED]
    assert ws.stats.attempts == 1
    assert asked == []


@pytest.mark.parametrize("state", ["new", "CONNECTING", "on_open", "OPEN", "WAITING"])
async def test_abort(state: str) -> None:
    greeted = asyncio.Event()

    async def hang(ws: QueuedWebSocket) -> None:
        greeted.set()
        await asyncio.get_running_loop().create_future()

    where = AGAIN if state == "WAITING" else "/ws/echo"
    on_open = hang if state == "on_open" else None
    ws = queued(url(where), acks=unheard(), backoff=slowly(), on_open=on_open)
    if state != "new":
        ws.start()
    if state == "WAITING":
        await lost(ws)
    elif state == "OPEN":
        await reached(ws, State.OPEN)
    elif state == "on_open":
        await greeted.wait()
    deliveries = [ws.send("a"), ws.send("b")]
    expected = DeliveryState.SENT if state == "OPEN" else DeliveryState.QUEUED
    assert [delivery.state for delivery in deliveries] == [expected] * 2
    ws.abort()
    assert ws.state is State.CLOSED
    assert [delivery.reason for delivery in deliveries] == ["aborted", "aborted"]
    assert (ws.pending, ws.unconfirmed, ws.stats.dropped) == (0, 0, {"aborted": 2})
    with raises(ConnectionClosedError, match="aborted"):
        ws.send("late")
    with raises(ConnectionClosedError):
        await ws.recv()
    ws.abort()
    await ws.close()
    assert ws.state is State.CLOSED


async def test_abort_drops_all_for_the_same_reason() -> None:
    """Also what a lost connection would drop for another one: what is in doubt, or of on_open."""
    sent: list[Delivery] = []
    ws = queued(
        acks=unheard(), in_doubt="drop", on_open=lambda ws: sent.append(ws.send("greeting"))
    )
    ws.start()
    await reached(ws, State.OPEN)
    sent.append(ws.send("x"))
    with Logged():
        ws.abort()
    assert [delivery.reason for delivery in sent] == ["aborted", "aborted"]


@pytest.mark.parametrize(
    "where", ["url", "protocols", "CONNECTING", "OPEN", "WAITING", "should_reconnect"]
)
@pytest.mark.parametrize("first", [True, False])
async def test_abort_in_a_function_that_it_calls(where: str, first: bool) -> None:
    """CLOSED is for good: no state comes after it, and no attempt."""
    states: list[State] = []
    calls = itertools.count(0 if first else -1)

    def end() -> bool:
        if next(calls) == 0:
            ws.abort()
        return True

    def find() -> str:
        if where == "url":
            end()
        return url(AGAIN)

    def on_state(change: StateChange) -> None:
        states.append(change.state)
        if change.state == where:
            end()

    options: dict[str, Any] = {"on_state": on_state}
    if where == "should_reconnect":
        options["should_reconnect"] = lambda event: end()
    if where == "protocols":
        options["protocols"] = lambda: ["json"] * end()
    ws = queued(find if where == "url" else url(AGAIN), **options)
    ws.start()
    await reached(ws, State.CLOSED)
    attempts = ws.stats.attempts
    # Nothing comes after it. A connection of another one takes longer than the next attempt would.
    async with queued() as other:
        for _ in range(5):
            other.send("x")
            await other.recv()
    assert ws.state is State.CLOSED
    assert states[-1] is State.CLOSED
    assert states.count(State.CLOSED) == 1
    assert ws.stats.attempts == attempts


async def test_options_that_make_no_sense() -> None:
    bad: dict[str, Any] = {
        "connect_timeout": -1,
        "close_timeout": -1,
        "give_up_after": -1,
        "max_attempts": 0,
        "max_queue": -1,
        "max_queue_bytes": -1,
        "on_overflow": "wait",
        "max_pending": -1,
        "max_pending_bytes": -1,
        "on_full": "drop",
        "in_doubt": "keep",
        "max_unconfirmed": 0,
        "max_unconfirmed_bytes": 0,
        "ttl": -1,
    }
    for name, value in bad.items():
        with raises(ValueError, match=name):
            queued(**{name: value})
    with raises(ValueError, match="ttl"):
        queued().send("x", ttl=-1)


async def test_repr_keeps_tokens_to_itself() -> None:
    async with queued(url("/ws/echo", token="secret")) as ws:
        assert repr(ws) == f"<QueuedWebSocket {url('/ws/echo')} CONNECTING>"


# The bounds of what waits


async def test_a_full_queue() -> None:
    ws = queued(max_pending=1)
    ws.send("x")
    with raises(QueueFull):
        ws.send("y")
    with raises(QueueFull):
        await ws.put("y")
    assert ws.clear() == 1
    ws.send("z")
    async with ws:
        assert await ws.recv() == "z"


async def test_put_waits_for_room_until_there_is_a_connection() -> None:
    ws = queued(max_pending=1, on_full="wait")
    ws.start()

    async def put_all() -> None:
        for number in range(10):
            await ws.put(str(number))

    async with asyncio.TaskGroup() as group:
        group.create_task(put_all())
        assert [await ws.recv() for _ in range(10)] == list("0123456789")
    await ws.close()


async def test_put_that_waits_when_the_end_comes() -> None:
    ws = queued(max_pending=1, on_full="wait")
    ws.send("x")
    waiting = asyncio.ensure_future(ws.put("y"))
    await asyncio.sleep(0)
    ws.abort()
    with raises(ConnectionClosedError, match="aborted"):
        await waiting


async def test_a_message_expires_while_it_waits() -> None:
    ws = queued(forever, ttl=0.01)
    ws.start()
    expires, stays = ws.send("a"), ws.send("b", ttl=60)
    with raises(MessageDropped, match="expired"):
        await expires
    assert (list(ws), stays.state) == (["b"], DeliveryState.QUEUED)
    ws.abort()


# Receiving, and the end


async def test_iteration_goes_on_across_connections() -> None:
    where = url("/ws/flood", count=3, size=1, number=1, then="close")
    again = iter([True, True, False])
    async with queued(where, should_reconnect=lambda event: next(again)) as ws:
        received = [message async for message in ws]
    assert received == list("012") * 3
    assert ws.stats.reconnects == 2


async def test_recv_goes_on_across_connections() -> None:
    async with queued(in_turn("/ws/close?code=1012", "/ws/flood?count=1&size=1&number=1")) as ws:
        assert await ws.recv() == "0"
        assert ws.stats.reconnects == 1


async def test_what_came_before_the_end_is_received_after_it() -> None:
    async with queued(url("/ws/flood", count=100, size=8, number=1, then="close")) as ws:
        await reached(ws, State.CLOSED)
        assert [int(await ws.recv()) for _ in range(100)] == list(range(100))
        with raises(ConnectionClosedOK):
            await ws.recv()


async def test_what_came_before_close_is_received_after_it(sockets: Sockets) -> None:
    ws = queued()
    ws.start()
    ws.send("a")
    ws.send("b")
    await until(lambda: len(sockets.arrived) == 2)
    assert await ws.recv() == "a"
    await ws.close()
    assert [message async for message in ws] == ["b"]


@pytest.mark.parametrize(
    ("code", "error"), [(1000, "ConnectionClosedOK"), (4400, "ConnectionClosedError")]
)
async def test_after_the_end(code: int, error: str) -> None:
    async with queued(url("/ws/close", code=code, reason="why")) as ws:
        last = await reached(ws, State.CLOSED)
        assert type(last.error).__name__ == error
        calls: list[Callable[[], Any]] = [ws.recv, lambda: ws.put("x"), ws.recv]
        for call in calls:
            with raises(ConnectionClosed, match=f"{code} 'why'") as caught:
                await call()
            assert type(caught.value).__name__ == error
            assert (caught.value.code, caught.value.was_clean) == (code, True)
        with raises(ConnectionClosed) as caught:
            ws.send("x")
        assert type(caught.value).__name__ == error
        # There is nothing to wait for.
        await ws.drain()
        assert ws.pending == 0


async def test_iteration_raises_if_it_did_not_end_as_meant() -> None:
    async with queued(url("/ws/close", code=4400, after=1)) as ws:
        ws.send("x")
        received = []
        with raises(ConnectionClosedError, match="4400"):
            async for message in ws:
                received.append(message)
        assert received == ["x"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_recv_that_waits_when_the_end_comes(end: str) -> None:
    ws = queued()
    ws.start()

    async def receive() -> None:
        with raises(ConnectionClosedOK if end == "close" else ConnectionClosedError):
            await ws.recv()

    receiving = asyncio.ensure_future(receive())
    await reached(ws, State.OPEN)
    await ws.close() if end == "close" else ws.abort()
    await receiving


async def test_a_cancelled_recv_loses_nothing() -> None:
    async with queued() as ws:
        with raises(TimeoutError):
            async with asyncio.timeout(0):
                await ws.recv()
        # Cancelled in the very turn in which a message has arrived.
        for number in range(30):
            task = asyncio.ensure_future(ws.recv())
            ws.send(f"{number}")
            for _ in range(number):
                await asyncio.sleep(0)
            if not task.cancel():
                assert await task == f"{number}"
                continue
            with raises(asyncio.CancelledError):
                await task
            assert await ws.recv() == f"{number}"


async def test_two_tasks_cannot_receive_at_once() -> None:
    async with queued() as ws:
        first = asyncio.ensure_future(ws.recv())
        await asyncio.sleep(0)
        with raises(ConcurrencyError):
            await ws.recv()
        with raises(ConcurrencyError):
            async for _ in ws:
                pass
        ws.send("for the first")
        assert await first == "for the first"


async def test_decode() -> None:
    async with queued() as ws:
        for message in ("é", "é", "é".encode(), "é".encode(), b"\xff"):
            ws.send(message)
        assert await ws.recv(decode=True) == "é"
        assert await ws.recv(decode=False) == "é".encode()
        assert await ws.recv(decode=True) == "é"
        assert await ws.recv(decode=False) == "é".encode()
        with raises(UnicodeDecodeError):
            await ws.recv(decode=True)


# What is final


@pytest.mark.parametrize("code", [1000, 1008, 4400, 4499])
async def test_codes_that_are_final(code: int) -> None:
    async with queued(url("/ws/close", code=code, reason="why", after=1), acks=unheard()) as ws:
        with Logged():
            delivery = ws.send("x")
            last = await reached(ws, State.CLOSED)
        assert isinstance(last.error, ConnectionClosed)
        assert (last.error.code, last.error.reason) == (code, "why")
        assert isinstance(last.error, ConnectionClosedOK) is (code == 1000)
        assert delivery.reason == "closed"
        assert ws.stats.attempts == 1


@pytest.mark.parametrize("code", [None, 1001, 1011, 1012, 4000, 4399, 4500])
async def test_codes_after_which_it_connects_again(code: int | None) -> None:
    path = "/ws/close" if code is None else f"/ws/close?code={code}&reason=why"
    async with queued(in_turn(path, "/ws/echo")) as ws:
        waiting = await lost(ws)
        ws.send("x")
        assert await ws.recv() == "x"
        assert isinstance(waiting.error, ConnectionClosed)
        assert waiting.error.code == (code or 1005)


@pytest.mark.parametrize(
    "path", ["/ws/refuse?status=503", "/ws/drop?when=handshake", "/ws/drop", "/none"]
)
async def test_a_failure_after_which_it_connects_again(path: str) -> None:
    async with queued(in_turn(path, "/ws/echo")) as ws:
        await lost(ws)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.attempts == 2


async def test_should_reconnect_decides() -> None:
    events: list[tuple[Any, ...]] = []

    def should_reconnect(event: CloseEvent) -> bool:
        assert isinstance(event, CloseEvent)
        events.append((event.code, event.reason, event.wasClean))
        return event.code == 1000

    where = in_turn("/ws/close?code=1000&reason=go on", "/ws/close?code=1012&reason=enough")
    async with queued(where, should_reconnect=should_reconnect) as ws:
        with raises(ConnectionClosedError, match="1012 'enough'"):
            await ws.recv()
    assert events == [(1000, "go on", True), (1012, "enough", True)]


async def test_should_reconnect_is_asked_about_an_attempt_that_fails() -> None:
    codes: list[int] = []
    # append() returns None, which is false.
    async with queued(
        url("/ws/refuse"), should_reconnect=lambda event: codes.append(event.code)
    ) as ws:
        with raises(ConnectionFailed):
            await ws.recv()
    assert codes == [1006]


async def test_the_default_holds_if_should_reconnect_raises() -> None:
    def should_reconnect(event: CloseEvent) -> bool:
        raise LookupError(event.code)

    where = in_turn("/ws/close?code=1012", "/ws/close?code=4400")
    async with queued(where, should_reconnect=should_reconnect) as ws:
        with raises(ConnectionClosedError, match="4400"):
            await ws.recv()
    assert [str(error) for error in taken()] == ["1012", "4400"]


# Where to


@pytest.mark.parametrize("kind", ["str", "function", "coroutine function"])
async def test_kinds_of_url(kind: str) -> None:
    address = url("/ws/echo")

    async def later() -> str:
        await asyncio.sleep(0)
        return address

    kinds: dict[str, Any] = {
        "str": address,
        "function": lambda: address,
        "coroutine function": later,
    }
    async with queued(kinds[kind]) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.url == address


@pytest.mark.parametrize("kind", ["str", "list", "generator", "function", "coroutine function"])
async def test_kinds_of_protocols(kind: str) -> None:
    """Offered in each attempt."""
    id = new_id()

    async def later() -> list[str]:
        await asyncio.sleep(0)
        return ["json"]

    kinds: dict[str, Any] = {
        "str": "json",
        "list": ["json", "cbor"],
        "generator": (protocol for protocol in ("json", "cbor")),
        "function": lambda: ("json",),
        "coroutine function": later,
    }
    where = in_turn(f"{AGAIN}&id={id}", f"/ws/echo?id={id}")
    async with queued(where, kinds[kind]) as ws:
        await lost(ws)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.protocol == "json"
    offered = [connection["offered"] for connection in await journal(id, closed=2)]
    assert offered == [["json"] if "str" in kind or "function" in kind else ["json", "cbor"]] * 2


@pytest.mark.parametrize("protocols", [None, []])
async def test_no_protocol(protocols: Any) -> None:
    async with queued(url("/ws/echo"), protocols) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.protocol == ""


async def test_each_attempt_asks_anew() -> None:
    id = new_id()
    numbers, names = itertools.count(), itertools.count()
    ws = queued(
        lambda: url("/ws/close" if next(numbers) < 2 else "/ws/echo", id=id),
        lambda: f"token-{next(names)}",
    )
    async with ws:
        await until(lambda: ws.stats.reconnects == 2)
        ws.send("x")
        assert await ws.recv() == "x"
    offered = [connection["offered"] for connection in await journal(id, closed=3)]
    assert offered == [["token-0"], ["token-1"], ["token-2"]]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_url_function_that_fails(is_async: bool) -> None:
    results = iter([None, 5, "http://[", "ws://host/#fragment", LookupError("no token")])

    def find() -> Any:
        result = next(results, url("/ws/echo"))
        if isinstance(result, LookupError):
            raise result
        return result

    async def find_later() -> Any:
        await asyncio.sleep(0)
        return find()

    changes: list[StateChange] = []
    async with queued(find_later if is_async else find, on_state=changes.append) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert (ws.stats.attempts, ws.stats.reconnects) == (6, 0)
    errors = taken()
    assert [change.error for change in changes if change.state is State.WAITING] == errors
    assert isinstance(errors[0], (TypeError, DOMSyntaxError))
    assert isinstance(errors[1], (TypeError, DOMSyntaxError))
    assert isinstance(errors[2], DOMSyntaxError)
    assert isinstance(errors[3], DOMSyntaxError)
    assert isinstance(errors[4], LookupError)


async def test_a_protocols_function_that_fails() -> None:
    results = iter([5, "a b", ["x", "x"], LookupError("no token")])

    def find() -> Any:
        result = next(results, "json")
        if isinstance(result, LookupError):
            raise result
        return result

    async with queued(url("/ws/echo"), find) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.protocol == "json"
        assert ws.stats.attempts == 5
    assert len(taken()) == 4


async def test_a_url_function_that_waits_for_what_is_cancelled() -> None:
    """The token that it waits for is cancelled, not this object: the attempt has failed."""
    calls = itertools.count()

    async def find() -> str:
        if not next(calls):
            token = asyncio.get_running_loop().create_future()
            token.cancel()
            await token
        return url("/ws/echo")

    async with queued(find, close_timeout=0) as ws:
        ws.send("x")
        async with asyncio.timeout(5):
            assert await ws.recv() == "x"
    taken()


@pytest.mark.parametrize("use", ["start", "async with"])
async def test_bad_values_are_raised_at_the_start(use: str) -> None:
    async def begin(*arguments: Any) -> None:
        ws = queued(*arguments)
        delivery = ws.send("x")
        try:
            if use == "start":
                ws.start()
            else:
                async with ws:
                    pass
        finally:
            # Nothing has begun.
            assert ws.state is State.WAITING
            assert (list(ws), delivery.state) == (["x"], DeliveryState.QUEUED)
            assert ws.stats.attempts == 0
            with Logged():
                await ws.close()

    for where in ("http://[", "ws://host/#fragment"):
        with raises(DOMSyntaxError):
            await begin(where)
    for protocols in ("a b", "", ["x", "x"], ["x", "ä"]):
        with raises(DOMSyntaxError):
            await begin(url("/ws/echo"), protocols)
    with raises(TypeError, DOMSyntaxError):
        await begin(5)


@pytest.mark.parametrize("protocols", ["a b", ["x", "x"]])
async def test_bad_protocols_are_final_though_the_url_is_a_function(protocols: Any) -> None:
    ws = queued(lambda: url("/ws/echo"), protocols)
    with Logged():
        delivery = ws.send("x")
        ws.start()
        last = await reached(ws, State.CLOSED)
    taken()
    assert isinstance(last.error, DOMSyntaxError)
    with raises(DOMSyntaxError):
        await ws.recv()
    with raises(DOMSyntaxError):
        ws.send("late")
    with raises(MessageDropped, match="closed"):
        await delivery
    assert ws.stats.attempts == 1


@pytest.mark.parametrize("protocols", [None, "json"])
async def test_good_protocols_do_not_make_a_bad_url_final(protocols: Any) -> None:
    addresses = iter(["ws://host/#fragment"])
    ws = queued(lambda: next(addresses, url("/ws/echo")), protocols, close_timeout=0)
    async with ws:
        ws.send("x")
        async with asyncio.timeout(5):
            assert await ws.recv() == "x"
    assert len(taken()) == 1


# How long, and how often


async def test_a_slow_handshake_is_given_up_and_tried_again() -> None:
    id = new_id()
    where = in_turn(f"/ws/echo?delay=0.6&id={id}", "/ws/echo")
    async with queued(where, connect_timeout=0.3) as ws:
        ws.send("x")
        waiting = await lost(ws)
        assert isinstance(waiting.error, OpenTimeout)
        assert waiting.error.url == url("/ws/echo")
        assert "0.3 s" in str(waiting.error)
        assert await ws.recv() == "x"
    await all_gone(id)


async def test_a_url_function_that_hangs_is_given_up_and_called_again() -> None:
    calls = itertools.count()

    async def find() -> str:
        return url("/ws/echo") if next(calls) else await forever()

    async with queued(find, connect_timeout=0.3) as ws:
        ws.send("x")
        waiting = await lost(ws)
        assert isinstance(waiting.error, OpenTimeout)
        assert await ws.recv() == "x"


async def test_an_on_open_that_hangs_is_given_up_and_called_again() -> None:
    calls, cancelled = itertools.count(), []

    async def on_open(ws: QueuedWebSocket) -> None:
        if not next(calls):
            try:
                await forever()
            finally:
                cancelled.append(True)

    async with queued(on_open=on_open, connect_timeout=0.3) as ws:
        ws.send("x")
        waiting = await lost(ws)
        assert isinstance(waiting.error, OpenTimeout)
        assert cancelled
        assert await ws.recv() == "x"


@pytest.mark.parametrize("limit", ["max_attempts", "give_up_after"])
async def test_timeouts_count_as_attempts(limit: str) -> None:
    ws = queued(forever, connect_timeout=0.02, **{limit: 3 if limit == "max_attempts" else 0.3})
    ws.start()
    with raises(ConnectionFailed) as caught:
        await ws.recv()
    assert isinstance(caught.value.__cause__, OpenTimeout)
    assert ws.stats.attempts >= 2


async def test_handshakes_that_time_out_are_given_up_in_the_end() -> None:
    ws = queued(url("/ws/echo", delay=2), connect_timeout=0.02, give_up_after=0.3)
    ws.start()
    with raises(ConnectionFailed) as caught:
        await ws.recv()
    assert isinstance(caught.value.__cause__, OpenTimeout)
    assert ws.stats.attempts >= 2


async def test_a_failed_handshake_is_given_up_at_once_if_that_is_asked() -> None:
    ws = queued(url("/ws/refuse", token="secret"), max_attempts=1)
    delivery = ws.send("x")
    ws.start()
    with Logged():
        last = await reached(ws, State.CLOSED)
    assert isinstance(last.error, ConnectionFailed)
    assert last.attempt == 1
    assert last.error.url == url("/ws/refuse")
    assert "secret" not in str(last.error)
    for _ in range(2):
        with raises(ConnectionFailed, match="1 attempts"):
            await ws.recv()
    with raises(ConnectionFailed):
        async for _ in ws:
            pass
    with raises(ConnectionFailed):
        ws.send("late")
    with raises(ConnectionFailed):
        await ws.put("late")
    with raises(MessageDropped, match="closed"):
        await delivery
    await ws.close()


async def test_max_attempts_counts_those_in_a_row() -> None:
    paths = iter(["", "/ws/close?code=1012&after=1", "", "", "/ws/echo"])

    def find() -> str:
        if not (path := next(paths)):
            raise LookupError
        return url(path)

    changes: list[StateChange] = []
    async with queued(find, max_attempts=3, on_state=changes.append) as ws:
        await reached(ws, State.OPEN)
        ws.send("x")
        assert await ws.recv() == "x"
        await until(lambda: ws.stats.reconnects == 1)
        ws.send("y")
        while await ws.recv() != "y":  # "x" may have been in doubt
            pass
    assert len(taken()) == 3
    assert [(change.state, change.attempt) for change in changes[:-1]] == [
        (State.CONNECTING, 1),
        (State.WAITING, 1),
        (State.CONNECTING, 2),
        (State.OPEN, 0),
        (State.WAITING, 0),  # The connection was of use: it has brought "x".
        (State.CONNECTING, 1),
        (State.WAITING, 1),
        (State.CONNECTING, 2),
        (State.WAITING, 2),
        (State.CONNECTING, 3),
        (State.OPEN, 0),
    ]
    assert changes[-1].state is State.CLOSED


async def test_give_up_after_cuts_a_wait_short() -> None:
    def find() -> str:
        raise LookupError("no token")

    ws = queued(find, backoff=slowly(), give_up_after=0.1)
    ws.start()
    waiting = await lost(ws)
    assert waiting.delay is not None
    assert 0 < waiting.delay <= 0.1
    with raises(ConnectionFailed, match="no token") as caught:
        await ws.recv()
    assert isinstance(caught.value.__cause__, LookupError)
    assert len(taken()) == ws.stats.attempts


async def test_give_up_after_begins_when_the_connection_is_lost() -> None:
    paths = iter(["/ws/close?code=1012&after=1"])

    def find() -> str:
        if (path := next(paths, None)) is None:
            raise LookupError("no more")
        return url(path)

    async with queued(find, give_up_after=0.3) as ws:
        # It is connected for longer than that.
        await until(lambda: ws.stats.seconds[State.OPEN] > 0.3)
        ws.send("x")
        waiting = await lost(ws)
        ws.clear()  # "x" may be in doubt
        assert isinstance(waiting.error, ConnectionClosed)
        assert await ws.recv() == "x"
        with raises(ConnectionFailed, match="no more"):
            await ws.recv()
    assert len(taken()) >= 1


# States


async def test_states() -> None:
    ws = queued(in_turn(AGAIN, "/ws/echo"), backoff=Backoff(0.02, 0.02, jitter=0))
    early = [asyncio.ensure_future(followed(ws)) for _ in range(2)]
    await asyncio.sleep(0)
    ws.start()
    await lost(ws)
    ws.send("x")
    await ws.recv()
    late = asyncio.ensure_future(followed(ws))
    await asyncio.sleep(0)
    await ws.close()
    changes = await early[0]
    assert await early[1] == changes
    assert [(change.state, change.attempt) for change in changes[:-1]] == [
        (State.WAITING, 0),
        (State.CONNECTING, 1),
        (State.OPEN, 0),
        (State.WAITING, 1),  # The connection was of no use.
        (State.CONNECTING, 2),
        (State.OPEN, 0),
    ]
    assert changes[-1].state is State.CLOSED
    assert [change.delay for change in changes] == [None, None, None, 0.02, None, None, None]
    first, end = changes[3].error, changes[6].error
    assert isinstance(first, ConnectionClosedError)
    assert first.code == 1012
    assert isinstance(end, ConnectionClosedOK)
    assert [change.error for change in changes if change.state in ("CONNECTING", "OPEN")] == (
        [None] * 4
    )
    # One that begins late sees the state of then first; one after the end only that.
    assert await late == changes[5:]
    assert await followed(ws) == changes[6:]


async def test_a_slow_follower_misses_no_state() -> None:
    async with queued() as ws:
        states = ws.states()
        assert (await anext(states)).state is State.CONNECTING
        ws.send("x")
        await ws.recv()
    assert [change.state async for change in states] == [State.OPEN, State.CLOSED]


async def test_a_follower_that_is_cancelled_leaves_the_others_alone() -> None:
    ws = queued()
    followers = [asyncio.ensure_future(followed(ws)) for _ in range(2)]
    await asyncio.sleep(0)
    followers[0].cancel()
    async with ws:
        await reached(ws, State.OPEN)
    states = [change.state for change in await followers[1]]
    assert states == [State.WAITING, State.CONNECTING, State.OPEN, State.CLOSED]


@pytest.mark.parametrize("is_async", [False, True])
async def test_on_state(is_async: bool) -> None:
    states: list[str] = []

    async def later(change: StateChange) -> None:
        await asyncio.sleep(0)
        states.append(change.state)

    ws = queued(on_state=later if is_async else lambda change: states.append(change.state))
    async with ws:
        await reached(ws, State.OPEN)
    await until(lambda: len(states) == 3)
    assert states == ["CONNECTING", "OPEN", "CLOSED"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_on_state_raises_is_reported(is_async: bool) -> None:
    def fail(change: StateChange) -> None:
        raise LookupError(change.state)

    async def fail_later(change: StateChange) -> None:
        fail(change)

    async with queued(on_state=fail_later if is_async else fail) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
    await until(lambda: len(reported) == 3)
    assert "on_state" in reported[0]["message"]
    assert [str(error) for error in taken()] == ["CONNECTING", "OPEN", "CLOSED"]


# on_open


@pytest.mark.parametrize("kind", ["function", "lambda", "coroutine function"])
async def test_on_open_goes_ahead_on_each_connection(kind: str) -> None:
    id = new_id()

    def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        ws.send("subscription")

    async def greet_later(ws: QueuedWebSocket) -> None:
        await asyncio.sleep(0)
        ws.send("token")
        await asyncio.sleep(0)
        await ws.put("subscription")

    kinds: dict[str, Callable[[QueuedWebSocket], object]] = {
        "function": greet,
        "lambda": lambda ws: [ws.send("token"), ws.send("subscription")][1],
        "coroutine function": greet_later,
    }
    where = in_turn(f"/ws/close?code=1012&after=3&id={id}", f"/ws/echo?id={id}")
    ws = queued(where, on_open=kinds[kind])
    ws.send("first")
    with Logged():  # What the server closes behind may not have been seen to leave.
        async with ws:
            await lost(ws)
            ws.clear()
            ws.send("second")
            await ws.drain()
    first, second = await journal(id, messages=6, closed=2)
    assert texts(first) == ["token", "subscription", "first"]
    assert texts(second) == ["token", "subscription", "second"]


async def test_on_open_receives_the_reply_though_another_task_receives_too() -> None:
    replies: list[object] = []

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        replies.append(await ws.recv())
        ws.send("more")
        async for message in ws:
            replies.append(message)
            break

    ws = queued(in_turn("/ws/close?code=1012&after=3", "/ws/echo"), on_open=greet)
    received: list[object] = []

    async def receive() -> None:
        async for message in ws:
            received.append(message)

    ws.send("a")
    async with ws:
        receiving = asyncio.ensure_future(receive())
        await lost(ws)
        ws.send("b")
        await until(lambda: len(received) == 2)
    await receiving
    assert replies == ["token", "more"] * 2
    assert received == ["a", "b"]


async def test_what_on_open_does_not_receive_goes_on_in_order() -> None:
    async def take_two(ws: QueuedWebSocket) -> None:
        assert [int(await ws.recv()), int(await ws.recv())] == [0, 1]

    async with queued(url("/ws/flood", count=100, size=4, number=1), on_open=take_two) as ws:
        assert [int(await ws.recv()) for _ in range(98)] == list(range(2, 100))


async def test_what_on_open_never_asked_for_goes_on_in_order(sockets: Sockets) -> None:
    greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(ws: QueuedWebSocket) -> None:
        await greeted

    async with queued(url("/ws/flood", count=100, size=4, number=1), on_open=wait) as ws:
        receiving = asyncio.ensure_future(ws.recv())
        await until(lambda: sockets.arrived)
        assert not receiving.done()
        greeted.set_result(None)
        assert int(await receiving) == 0
        assert [int(await ws.recv()) for _ in range(99)] == list(range(1, 100))


async def test_what_others_send_during_on_open_waits() -> None:
    id = new_id()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("1")
        begun.set()
        await go_on.wait()
        ws.send("2")

    ws = queued(url("/ws/echo", id=id), on_open=greet)
    ws.send("3")
    async with ws:
        await begun.wait()
        delivery = ws.send("4")
        assert (ws.state, delivery.state) == (State.CONNECTING, DeliveryState.QUEUED)
        assert list(ws) == ["3", "4"]
        go_on.set()
        await ws.drain()
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_on_open_that_raises(is_async: bool) -> None:
    id = new_id()
    calls = itertools.count()

    def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        if not next(calls):
            raise LookupError("no token")

    async def greet_later(ws: QueuedWebSocket) -> None:
        await asyncio.sleep(0)
        greet(ws)

    ws = queued(url("/ws/echo", id=id), on_open=greet_later if is_async else greet)
    ws.send("x")
    async with ws:
        with Logged():
            waiting = await lost(ws)
        assert isinstance(waiting.error, LookupError)
        assert waiting.attempt == 1
        assert [await ws.recv(), await ws.recv()][-1] == "x"
        assert (ws.stats.attempts, ws.stats.reconnects) == (2, 0)
    assert "on_open" in reported[0]["message"]
    assert len(taken()) == 1
    first, second = await journal(id, closed=2)
    assert "x" not in texts(first)
    assert texts(second) == ["token", "x"]


async def test_on_open_that_waits_for_what_is_cancelled() -> None:
    """What it waits for is cancelled, not on_open itself: the attempt has failed."""
    calls = itertools.count()

    async def greet(ws: QueuedWebSocket) -> None:
        if not next(calls):
            token = asyncio.get_running_loop().create_future()
            token.cancel()
            await token

    async with queued(on_open=greet, connect_timeout=None, close_timeout=0) as ws:
        ws.send("x")
        async with asyncio.timeout(5):
            assert await ws.recv() == "x"
    taken()


@pytest.mark.parametrize("evidence", ["left the page", "heartbeat", "acknowledged"])
async def test_on_open_may_await_its_own_delivery(evidence: str) -> None:
    reasons: list[object] = []

    async def greet(ws: QueuedWebSocket) -> None:
        delivery = ws.send("#1 token")
        if evidence == "acknowledged":
            ws.send("ack 1")
        await delivery
        reasons.append(delivery.reason)

    options: dict[str, Any] = {"left the page": {}, "heartbeat": {"heartbeat": echoed_heartbeat()}}
    chosen = options.get(evidence, {"acks": echoed_acks()})
    ws = queued(on_open=greet, **chosen)
    ws.start()
    await reached(ws, State.OPEN)
    assert reasons == [evidence]
    with Logged():
        ws.abort()


async def test_a_connection_that_is_lost_during_on_open() -> None:
    id = new_id()
    deliveries: list[Delivery] = []

    async def greet(ws: QueuedWebSocket) -> None:
        deliveries.append(ws.send("token"))
        if len(deliveries) == 1:
            await forever()

    where = in_turn(f"/ws/close?code=1012&after=1&id={id}", f"/ws/echo?id={id}")
    ws = queued(where, on_open=greet, heartbeat=echoed_heartbeat())
    kept = ws.send("kept")
    with Logged():
        async with ws:
            await kept
            assert ws.stats.reconnects == 0
    first, second = await journal(id, closed=2)
    # Heartbeats may come between.
    assert [text for text in texts(first) if text != "ping"] == ["token"]
    assert [text for text in texts(second) if text != "ping"] == ["token", "kept"]
    assert deliveries[0].reason == "connection lost"
    assert deliveries[1].reason == "heartbeat"


@pytest.mark.parametrize("in_doubt", ["resend", "drop"])
async def test_what_on_open_sent_is_not_sent_again(in_doubt: str) -> None:
    deliveries: list[Delivery] = []
    ws = queued(
        in_turn(AGAIN, "/ws/echo"),
        acks=unheard(),
        in_doubt=in_doubt,
        on_open=lambda ws: deliveries.append(ws.send("token")),
    )
    with Logged():
        ws.start()
        await until(lambda: len(deliveries) == 2)
        ws.abort()
    assert ws.stats.resent == 0
    assert deliveries[0].reason == "connection lost"


@pytest.mark.parametrize("code", [1000, 4401])
async def test_a_server_that_turns_down_what_on_open_sends(code: int) -> None:
    """The code and reason of its close frame are why it has ended."""

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        assert await ws.recv() == "token"
        await ws.recv()

    async with queued(url("/ws/close", code=code, reason="why", after=1), on_open=greet) as ws:
        last = await reached(ws, State.CLOSED)
        assert isinstance(last.error, ConnectionClosed), last.error
        assert (last.error.code, last.error.reason) == (code, "why")


async def test_abort_in_on_open() -> None:
    states: list[State] = []
    ws = queued(on_open=lambda ws: ws.abort(), on_state=lambda change: states.append(change.state))
    delivery = ws.send("x")
    ws.start()
    with raises(ConnectionClosedError, match="aborted"):
        await ws.recv()
    assert delivery.reason == "aborted"
    assert states == [State.CONNECTING, State.CLOSED]
    assert ws.stats.attempts == 1


async def test_a_task_that_on_open_begins_goes_on_after_it() -> None:
    received: list[object] = []
    tasks: list[asyncio.Task[None]] = []

    async def receive(ws: QueuedWebSocket) -> None:
        async for message in ws:
            received.append(message)

    async def greet(ws: QueuedWebSocket) -> None:
        tasks.append(asyncio.create_task(receive(ws)))
        # It receives already.
        ws.send("during")
        await until(lambda: received)

    async with queued(on_open=greet, connect_timeout=None, close_timeout=0) as ws:
        ws.send("after")
        async with asyncio.timeout(5):
            await until(lambda: len(received) == 2)
    assert received == ["during", "after"]
    await tasks[0]


async def test_put_in_on_open_does_not_wait_for_what_waits_for_on_open() -> None:
    async def greet(ws: QueuedWebSocket) -> None:
        await ws.put("token")

    ws = queued(on_open=greet, on_full="wait", max_pending=1, connect_timeout=None)
    ws.send("x")
    other = asyncio.ensure_future(ws.put("y"))
    await asyncio.sleep(0)
    ws.start()
    async with asyncio.timeout(5):
        assert [await ws.recv() for _ in range(3)] == ["token", "x", "y"]
    await other
    await ws.close()


# The heartbeat


@pytest.mark.parametrize("is_function", [False, True])
async def test_a_heartbeat_is_sent_each_interval(is_function: bool) -> None:
    times = [time.monotonic()]

    def ping() -> str:
        times.append(time.monotonic())
        return f"ping {len(times)}"

    interval = 0.05
    heartbeat = Heartbeat(ping if is_function else b"ping", interval=interval, timeout=30)
    async with queued(heartbeat=heartbeat) as ws:
        # Without is_reply they are messages as any.
        received = [await ws.recv() for _ in range(3)]
    expected = ["ping 2", "ping 3", "ping 4"] if is_function else [b"ping"] * 3
    assert received == expected
    # A clock may be read a little before the time that a timer has waited for.
    assert all(then - now > interval * 0.9 for now, then in itertools.pairwise(times))
    # They are no messages of the queue.
    assert (ws.stats.accepted, ws.stats.sent) == (0, 0)


async def test_a_heartbeat_for_quiet_times_is_not_sent_while_messages_arrive() -> None:
    interval = 0.25
    # What came back before a heartbeat had been sent after this.
    last_sent = began = time.monotonic()
    quiet: list[float] = []

    def message() -> str:
        quiet.append(time.monotonic() - last_sent)
        return "ping"

    heartbeat = Heartbeat(message, interval=interval, timeout=30, when_quiet=True)
    async with queued(url("/ws/echo"), heartbeat=heartbeat) as ws:
        while last_sent < began + 3 * interval:
            sent = time.monotonic()
            ws.send("x")
            while await ws.recv() != "x":
                pass
            last_sent = sent
        while await ws.recv() != "ping":
            pass
    assert quiet
    assert min(quiet) >= interval


@pytest.mark.parametrize(
    "path",
    [
        "/ws/stall",
        "/ws/peer?ping=ping&fault=deaf",
        "/ws/peer?ping=ping&fault=stall",
        "/ws/peer?fault=none",  # one that does not answer
    ],
)
async def test_a_connection_that_is_dead_is_replaced(path: str) -> None:
    heartbeat = Heartbeat("ping", interval=0.05, timeout=0.3, is_reply=lambda m: m == "pong")
    async with queued(in_turn(path, "/ws/peer?ping=ping"), heartbeat=heartbeat) as ws:
        delivery = ws.send("kept")
        change = await lost(ws)
        assert delivery.state is DeliveryState.SENT
        assert isinstance(change.error, ConnectionClosedError)
        assert (change.error.code, change.error.was_clean) == (1006, False)
        await delivery
        assert delivery.reason == "heartbeat"
        assert ws.stats.reconnects >= 1
        assert ws.stats.resent >= 1


async def test_a_heartbeat_without_is_reply_finds_a_dead_connection_too() -> None:
    heartbeat = Heartbeat("ping", interval=0.05, timeout=0.3)
    async with queued(in_turn("/ws/stall", "/ws/echo"), heartbeat=heartbeat) as ws:
        await lost(ws)
        assert await ws.recv() == "ping"


async def test_replies_confirm_and_are_kept_from_the_application() -> None:
    id = new_id()
    async with queued(url("/ws/echo", id=id), heartbeat=echoed_heartbeat(interval=0.05)) as ws:
        delivery = ws.send("a")
        # Nobody awaits it: what confirms it is the next heartbeat.
        await until(lambda: delivery.reason)
        assert delivery.reason == "heartbeat"
        await journal(id, messages=4)
        ws.send("b")
        assert [await ws.recv(), await ws.recv()] == ["a", "b"]


async def test_a_reply_confirms_only_what_was_sent_before_its_request() -> None:
    requests: list[str] = []

    def request() -> str:
        requests.append("ping")
        return "ping"

    heartbeat = Heartbeat(request, interval=3600, timeout=30, is_reply=lambda m: m == "ping")
    async with queued(heartbeat=heartbeat) as ws:
        before = ws.send("before")
        await reached(ws, State.OPEN)
        waiting = asyncio.ensure_future(ws.drain())
        await until(lambda: requests)
        after = ws.send("after")
        await before
        assert after.state is DeliveryState.SENT
        # But what is waited for has a heartbeat of its own.
        await waiting
        assert after.reason == "heartbeat"


@pytest.mark.parametrize("how", ["await", "drain", "close", "await before the start"])
async def test_waiting_for_confirmations_does_not_wait_for_the_interval(how: str) -> None:
    ws = queued(heartbeat=echoed_heartbeat())
    delivery = ws.send("x")
    if how == "await before the start":
        waiting = asyncio.ensure_future(delivery)
        await asyncio.sleep(0)
        ws.start()
        await waiting
    else:
        ws.start()
        if how == "await":
            await delivery
        elif how == "drain":
            await ws.drain()
    await ws.close()
    assert delivery.reason == "heartbeat"


async def test_without_is_reply_a_heartbeat_confirms_nothing() -> None:
    heartbeat = Heartbeat("ping", interval=0.05, timeout=30)
    async with queued(heartbeat=heartbeat) as ws:
        delivery = ws.send("x")
        await delivery
        assert delivery.reason == "left the page"


async def test_any_traffic_keeps_a_connection() -> None:
    """Ten heartbeats last longer than the timeout; what comes back is not what is_reply means."""
    id = new_id()
    heartbeat = Heartbeat("ping", interval=0.1, timeout=0.8, is_reply=lambda m: m == "pong")
    async with queued(url("/ws/echo", id=id), heartbeat=heartbeat, close_timeout=0) as ws:
        assert [await ws.recv() for _ in range(10)] == ["ping"] * 10
        assert ws.stats.reconnects == 0


@pytest.mark.parametrize("fault", ["raise", "return nonsense"])
async def test_a_heartbeat_message_that_fails_is_reported(fault: str) -> None:
    def message() -> Any:
        if fault == "raise":
            raise LookupError("no message")
        return 5

    heartbeat = Heartbeat(message, interval=0.02, timeout=30)
    async with queued(heartbeat=heartbeat) as ws:
        await until(lambda: len(reported) >= 2)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 0
    assert "heartbeat" in reported[0]["message"]
    assert all(isinstance(error, (LookupError, TypeError)) for error in taken())


async def test_an_is_reply_that_raises_is_reported_and_loses_nothing() -> None:
    def is_reply(message: str | bytes) -> bool:
        raise LookupError(message)

    async with queued(heartbeat=echoed_heartbeat(is_reply=is_reply), close_timeout=0) as ws:
        with Logged():
            ws.send("x")
            assert await ws.recv() == "x"
            await ws.close()
    assert "x" in [str(error) for error in taken()]


@pytest.mark.parametrize("bound", [{"max_unconfirmed": 10}, {"max_unconfirmed_bytes": 40}])
async def test_a_small_window_does_not_wait_for_the_interval(bound: dict[str, int]) -> None:
    id = new_id()
    ws = queued(
        url("/ws/peer", ping="ping", id=id),
        **bound,
        heartbeat=Heartbeat("ping", interval=3600, timeout=30, is_reply=lambda m: m == "pong"),
    )
    count = 300
    deliveries = [ws.send(f"{number:04}") for number in range(count)]
    most = 0
    async with ws:
        while not deliveries[-1].reason and deliveries[-1].state is not DeliveryState.SENT:
            most = max(most, ws.unconfirmed)
            await asyncio.sleep(0)
        await ws.drain()
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == [f"{number:04}" for number in range(count)]
    assert 0 < most <= 10
    assert {delivery.reason for delivery in deliveries} == {"heartbeat"}


# Acknowledgements


async def test_acknowledgements_confirm_by_key_in_any_order() -> None:
    async with queued(acks=echoed_acks(pass_on=False)) as ws:
        deliveries = [ws.send(f"#{number}") for number in range(4)]
        ws.send("ack 2 0")
        await deliveries[2]
        states = [delivery.state for delivery in deliveries]
        assert states == ["CONFIRMED", "SENT", "CONFIRMED", "SENT"]
        assert deliveries[0].reason == "acknowledged"
        ws.send("ack 3")
        await deliveries[3]
        assert deliveries[1].state is DeliveryState.SENT
        ws.send("ack 1 and what is unknown")
        await deliveries[1]
        assert accounted(ws)
        ws.abort()


async def test_messages_without_a_key_are_confirmed_by_a_later_one() -> None:
    async with queued(acks=echoed_acks(pass_on=False)) as ws:
        before, keyed, after = ws.send("before"), ws.send("#1"), ws.send("after")
        ws.send("ack 1")
        await keyed
        assert before.reason == "acknowledged"
        assert after.state is DeliveryState.SENT
        ws.abort()


async def test_two_messages_with_the_same_key() -> None:
    async with queued(acks=echoed_acks(pass_on=False)) as ws:
        first, second = ws.send("#1 a"), ws.send("#1 b")
        ws.send("ack 1")
        await first
        assert second.state is DeliveryState.SENT
        ws.send("ack 1")
        await second
        ws.abort()


@pytest.mark.parametrize("pass_on", [True, False])
async def test_acknowledgements_are_passed_on_if_that_is_asked(pass_on: bool) -> None:
    async with queued(acks=echoed_acks(pass_on=pass_on)) as ws:
        for message in ("#1", "ack 1", "x"):
            delivery = ws.send(message)
        received = [await ws.recv()]
        while received[-1] != "x":
            received.append(await ws.recv())
        assert received == (["#1", "ack 1", "x"] if pass_on else ["#1", "x"])
        assert delivery.state is DeliveryState.SENT
        ws.abort()


async def test_numbered_acknowledgements() -> None:
    async with queued(url("/ws/peer", ack=1), acks=numbered_acks(pass_on=False)) as ws:
        deliveries = [ws.send(str(number)) for number in range(1000)]
        await ws.drain()
    assert {delivery.reason for delivery in deliveries} == {"acknowledged"}


@pytest.mark.parametrize("fault", ["raise", "unhashable key", "no iterable"])
async def test_an_acked_that_fails_is_reported_and_loses_nothing(fault: str) -> None:
    def acked(message: str | bytes) -> Any:
        if message != "bad":
            return str(message).split()[1:] or None
        if fault == "raise":
            raise LookupError
        return [["unhashable"]] if fault == "unhashable key" else 5

    acks = Acks(lambda message: "1" if message == "x" else None, acked)
    async with queued(acks=acks) as ws:
        ws.send("bad")
        assert await ws.recv() == "bad"
        delivery = ws.send("x")
        ws.send("ack 1")
        await delivery
        ws.abort()
    assert len(taken()) == 1


@pytest.mark.parametrize("place", ["waiting", "open", "on_open"])
async def test_a_key_that_fails_is_raised_and_changes_nothing(place: str) -> None:
    def key(message: Any) -> Any:
        if message == "raises":
            raise LookupError
        return {"unhashable": [], "x": "1"}.get(message)

    def fail(ws: QueuedWebSocket) -> None:
        before = ws.stats.accepted
        with raises(LookupError):
            ws.send("raises")
        with raises(TypeError):
            ws.send("unhashable")
        assert accounted(ws)
        assert ws.stats.accepted == before

    id = new_id()
    acks = Acks(key, lambda message: ["1"] if message == "x" else None)
    on_open = fail if place == "on_open" else None
    ws = queued(url("/ws/echo", id=id), acks=acks, on_open=on_open)
    if place == "waiting":
        fail(ws)
    async with ws:
        if place == "open":
            await reached(ws, State.OPEN)
            fail(ws)
        await ws.send("x")
        if place == "on_open":
            # It is counted neither as sent nor as what is awaited.
            assert ws.unconfirmed == 0
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["x"]


async def test_with_a_heartbeat_too_those_with_a_key_wait_for_acknowledgements() -> None:
    async with queued(heartbeat=echoed_heartbeat(), acks=echoed_acks(pass_on=False)) as ws:
        keyed, other = ws.send("#1"), ws.send("x")
        await other
        assert other.reason == "heartbeat"
        assert keyed.state is DeliveryState.SENT
        ws.send("ack 1")
        await keyed
        assert keyed.reason == "acknowledged"


async def test_no_storm_of_heartbeats_while_an_acknowledgement_is_awaited() -> None:
    id = new_id()
    async with queued(
        url("/ws/echo", id=id), heartbeat=echoed_heartbeat(), acks=echoed_acks(pass_on=False)
    ) as ws:
        keyed = ws.send("#1")
        waiting = asyncio.ensure_future(ws.drain())
        assert await ws.recv() == "#1"
        async with queued() as other:
            for _ in range(50):
                other.send("x")
                await other.recv()
        (connection,) = await journal(id)
        ws.send("ack 1")
        await keyed
        await waiting
        assert texts(connection).count("ping") < 10


# What is in doubt


@pytest.mark.parametrize("fault", ["drop", "close&code=1012"])
async def test_what_is_in_doubt_is_sent_again_first(fault: str) -> None:
    id = new_id()
    unsure: list[str] = []

    def on_state(change: StateChange) -> None:
        if change.state is State.WAITING:
            assert [d.state for d in deliveries if not d.reason] == (
                [DeliveryState.SENT] * (20 - ws.stats.confirmed)
            )
            unsure.extend(ws)
            assert accounted(ws)
            deliveries.append(ws.send("20"))

    where = url("/ws/peer", ack=1, id=id, after=10, times=1) + f"&fault={fault}"
    ws = queued(where, acks=numbered_acks(pass_on=False), on_state=on_state)
    deliveries = [ws.send(str(number)) for number in range(20)]
    async with ws:
        await ws.drain()
        assert ws.stats.resent == len(unsure)
        assert ws.stats.sent == 21 + len(unsure)
        assert (ws.stats.confirmed, ws.stats.dropped) == (21, {})
    first, second = await journal(id, closed=2)
    assert texts(first)[:10] == [str(number) for number in range(10)]
    assert texts(second) == [*unsure, "20"]
    # What had been acknowledged was not sent again, and what follows it was, in order.
    assert unsure == [str(number) for number in range(20 - len(unsure), 20)]
    assert len(unsure) >= 10
    assert {delivery.reason for delivery in deliveries} == {"acknowledged"}


async def test_what_is_in_doubt_is_dropped_if_that_is_asked() -> None:
    id = new_id()
    where = url("/ws/peer", ack=1, id=id, fault="drop", after=10, times=1)
    ws = queued(where, acks=numbered_acks(pass_on=False), in_doubt="drop")
    deliveries = [ws.send(str(number)) for number in range(20)]
    with Logged():
        async with ws:
            await lost(ws)
            assert ws.pending == 0
            await ws.send("20")
            stats = ws.stats
    unsure = [d.message for d in deliveries if d.reason == "in doubt"]
    assert (stats.resent, stats.sent, stats.dropped) == (0, 21, {"in doubt": len(unsure)})
    first, second = await journal(id, closed=2)
    assert texts(second) == ["20"]
    confirmed = [d.message for d in deliveries if d.reason == "acknowledged"]
    assert confirmed + unsure == [str(number) for number in range(20)]
    assert set(confirmed) <= set(texts(first))


async def test_a_late_acknowledgement_confirms_what_waits_to_be_sent_again() -> None:
    """As a server that remembers may send it on the next connection."""
    id = new_id()

    async def greet(ws: QueuedWebSocket) -> None:
        if ws.stats.attempts == 2:
            ws.send("ack 1")
            assert await ws.recv() == "ack 1"

    where = in_turn(f"/ws/close?code=1012&after=1&id={id}", f"/ws/echo?id={id}")
    async with queued(where, acks=echoed_acks(), on_open=greet) as ws:
        delivery, other = ws.send("#1"), ws.send("#2")
        await delivery
        assert delivery.reason == "acknowledged"
        ws.send("ack 2")
        await other
        assert accounted(ws)
        with Logged():
            ws.abort()
    _, second = await journal(id, closed=2)
    assert texts(second) == ["ack 1", "#2", "ack 2"]


# What nobody receives


@pytest.mark.parametrize("bound", [{"max_queue": 10}, {"max_queue_bytes": 40}])
@pytest.mark.parametrize("on_overflow", [None, "drop-oldest", "drop-newest"])
async def test_more_than_is_held_is_dropped(bound: dict[str, int], on_overflow: str | None) -> None:
    options: dict[str, Any] = {**bound, **({"on_overflow": on_overflow} if on_overflow else {})}
    async with queued(url("/ws/flood", count=100, size=4, number=1), **options) as ws:
        assert ws.dropped == 0
        await until(lambda: ws.dropped == 90)
        received = [int(await ws.recv()) for _ in range(10)]
        newest = on_overflow == "drop-newest"
        assert received == list(range(10) if newest else range(90, 100))
        ws.send("x")
        await ws.drain()


async def test_more_than_is_held_ends_it_if_that_is_asked() -> None:
    id = new_id()
    where = url("/ws/flood", count=100, size=4, number=1, id=id)
    async with queued(where, max_queue=10, on_overflow="close") as ws:
        last = await reached(ws, State.CLOSED)
        assert isinstance(last.error, ConnectionClosedError)
        assert last.error.code == 4008
        # What came before is there, in order.
        received: list[int] = []
        with raises(ConnectionClosedError, match="4008"):
            async for message in ws:
                received.append(int(message))
        assert received == list(range(len(received)))
        assert len(received) > 10
        with raises(ConnectionClosedError, match="4008"):
            ws.send("x")
    (connection,) = await journal(id, closed=1)
    assert connection["close"]["code"] == 4008
    assert (ws.dropped, ws.stats.attempts) == (0, 1)


# The network and the page


@pytest.mark.parametrize("type", ["online", "pageshow", "resume"])
async def test_what_comes_back_connects_at_once(fake_page: Page, type: str) -> None:
    async with queued(in_turn(AGAIN, "/ws/echo"), backoff=slowly()) as ws:
        waiting = await lost(ws)
        assert waiting.delay == 60
        fake_page.dispatch(type)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 1


@pytest.mark.parametrize("type", ["offline", "pagehide"])
async def test_what_does_not_bring_it_back(fake_page: Page, type: str) -> None:
    ws = queued(in_turn(AGAIN, "/ws/echo"), backoff=slowly())
    ws.start()
    await lost(ws)
    fake_page.dispatch(type)
    await turns()
    assert (ws.state, ws.stats.attempts) == (State.WAITING, 1)
    await ws.close()


@pytest.mark.parametrize("type", ["online", "offline"])
async def test_a_change_of_the_network_has_the_connection_looked_at(
    fake_page: Page, type: str
) -> None:
    id = new_id()
    async with queued(url("/ws/echo", id=id), heartbeat=echoed_heartbeat()) as ws:
        await reached(ws, State.OPEN)
        fake_page.dispatch(type)
        (connection,) = await journal(id, messages=1)
        assert texts(connection) == ["ping"]


async def test_after_the_end_it_listens_to_nothing(fake_page: Page) -> None:
    async with queued() as ws:
        await reached(ws, State.OPEN)
        assert fake_page.listeners
    other = queued()
    other.start()
    other.abort()
    await turns()
    assert fake_page.listeners == {}


# What is counted


async def test_stats() -> None:
    times = [time.monotonic()]
    ws = queued(in_turn(AGAIN, "/ws/echo"), backoff=Backoff(0.05, 0.05, jitter=0))
    times.append(time.monotonic())
    ws.send("a")
    assert ws.stats.seconds[State.WAITING] >= 0
    ws.clear()
    async with ws:
        await lost(ws)
        for text in "bcd":
            ws.send(text)
        await ws.drain()
        await ws.recv()
        assert (ws.stats.attempts, ws.stats.reconnects) == (2, 1)
        times.append(time.monotonic())
    times.append(time.monotonic())
    stats = ws.stats
    assert (stats.accepted, stats.confirmed, stats.dropped) == (4, 3, {"cleared": 1})
    assert (stats.sent, stats.resent) == (3, 0)
    assert set(stats.seconds) == set(State)
    assert times[2] - times[1] <= sum(stats.seconds.values()) <= times[3] - times[0]
    assert stats.seconds[State.WAITING] >= 0.04
    assert stats.seconds[State.CLOSED] == 0
    # It is a copy, and the end is the end.
    stats.dropped["cleared"] = 100
    assert ws.stats.dropped == {"cleared": 1}
    assert ws.stats.seconds == stats.seconds


async def test_every_message_is_accounted_for_at_all_times() -> None:
    id = new_id()
    wrong: list[object] = []

    def check(*_: object) -> None:
        if not accounted(ws):
            wrong.append((ws.state, ws.stats, ws.pending, ws.unconfirmed))

    def greet(ws: QueuedWebSocket) -> None:
        check()
        ws.send("token")
        check()

    ws = queued(
        url("/ws/peer", ack=1, id=id, fault="close", code=1012, after=100, times=2),
        acks=Acks(
            lambda m: int(m) if m.isdigit() else None,
            lambda m: json.loads(m)["ack"] if str(m).startswith("{") else None,
        ),
        on_open=greet,
        on_state=check,
        max_pending=300,
        on_full="drop-oldest",
        max_unconfirmed=50,
    )
    with Logged():
        deliveries = []
        for number in range(1000):
            deliveries.append(ws.send(str(number)))
            check()
        ws.start()
        while ws.pending or ws.unconfirmed > 1:  # The last token has no key.
            check()
            await asyncio.sleep(0)
        ws.send("1000")
        check()
        await ws.drain()
        check()
        await ws.close()
    check()
    assert wrong == []
    stats = ws.stats
    assert stats.reconnects == 2
    assert stats.accepted == 1000 + 1 + 3
    assert stats.dropped["overflow"] == 700
    assert stats.confirmed + sum(stats.dropped.values()) == stats.accepted


# Moments that a server cannot be made to hit


async def test_what_arrives_right_before_the_end_is_received_though_on_open_never_ran(
    sockets: Sockets,
) -> None:
    """All in the turn in which the connection was opened."""

    async def greet(ws: QueuedWebSocket) -> None:
        raise AssertionError

    paths = iter(["/ws/echo"])
    async with queued(lambda: url(next(paths, "/ws/stall")), on_open=greet, backoff=slowly()) as ws:
        await until(lambda: sockets.made)
        (native,) = sockets.made

        def end(event: object) -> None:
            wire: Any = native._wire
            native.on_message("x")
            native.on_end(1006, "", was_clean=False)
            wire.abort()

        native.addEventListener("open", end)
        assert await ws.recv() == "x"
        assert ws.state is State.WAITING
        ws.abort()


async def test_abort_sends_nothing_though_an_acknowledgement_is_there(sockets: Sockets) -> None:
    id = new_id()
    async with queued(url("/ws/sink", id=id), acks=numbered_acks(), max_unconfirmed=1) as ws:
        await reached(ws, State.OPEN)
        deliveries = [ws.send(str(number)) for number in range(3)]
        sockets.made[0].on_message('{"ack": [0]}')
        ws.abort()
    assert [delivery.reason for delivery in deliveries] == ["acknowledged", "aborted", "aborted"]
    (connection,) = await journal(id, closed=1)
    assert texts(connection) == ["0"]


@pytest.mark.parametrize("name", ["is_reply", "acked"])
async def test_abort_in_a_function_that_looks_at_messages(sockets: Sockets, name: str) -> None:
    def end(message: Any) -> None:
        ws.abort()

    options: dict[str, Any] = (
        {"heartbeat": Heartbeat("ping", interval=3600, timeout=3600, is_reply=end)}
        if name == "is_reply"
        else {"acks": Acks(lambda message: None, end)}
    )
    async with queued(**options) as ws:
        await reached(ws, State.OPEN)
        sockets.made[0].on_message("x")
        assert await ws.recv() == "x"
        with raises(ConnectionClosed):
            await ws.recv()


async def test_a_server_that_closes_first_has_confirmed_nothing(sockets: Sockets) -> None:
    """close() right behind its close frame does nothing, and its code says nothing."""
    where = url("/ws/close", code=1000, after=1)
    async with queued(where, heartbeat=echoed_heartbeat(interval=3600)) as ws:
        await reached(ws, State.OPEN)
        delivery = ws.send("x")
        (native,) = sockets.made
        await until(lambda: native.readyState == native.CLOSING)
        with Logged():
            await ws.close(timeout=0)
        assert (delivery.state, delivery.reason) == ("DROPPED", "closed")


async def test_half_a_window_of_single_messages_asks_for_a_confirmation() -> None:
    async with queued(heartbeat=echoed_heartbeat(), max_unconfirmed=8) as ws:
        await reached(ws, State.OPEN)
        for number in range(4):
            ws.send(str(number))
        await until(lambda: ws.stats.confirmed == 4)


async def test_one_that_is_awaited_does_not_have_all_others_asked_for() -> None:
    requests = []

    def request() -> str:
        requests.append(1)
        return "ping"

    heartbeat = Heartbeat(request, interval=3600, timeout=30, is_reply=lambda m: m == "ping")
    async with queued(heartbeat=heartbeat) as ws:
        await ws.send("awaited")
        for number in range(20):
            ws.send(str(number))
            assert await ws.recv() is not None
        assert len(requests) == 1


@pytest.mark.parametrize("name", ["drain", "close"])
async def test_on_open_cannot_wait_for_what_waits_for_it(name: str) -> None:
    caught: list[Exception] = []

    async def greet(ws: QueuedWebSocket) -> None:
        try:
            await getattr(ws, name)()
        except RuntimeError as error:
            caught.append(error)

    async with queued(on_open=greet) as ws:
        await ws.send("x")
    assert name in str(caught[0])


async def test_on_open_may_return_any_awaitable() -> None:
    id = new_id()
    greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    called: list[QueuedWebSocket] = []

    def greet(ws: QueuedWebSocket) -> asyncio.Future[None]:
        called.append(ws)
        return greeted

    async with queued(url("/ws/echo", id=id), on_open=greet) as ws:
        ws.send("x")
        await until(lambda: called)
        assert ws.state == "CONNECTING"
        greeted.set_result(None)
        assert await ws.recv() == "x"


# What is left


@pytest.mark.parametrize("end", ["close", "abort", "never started", "final", "given up"])
async def test_the_object_goes_too(end: str) -> None:
    async def live() -> weakref.ref[QueuedWebSocket]:
        where: Any = forever if end == "given up" else url("/ws/close?code=4400&after=1")
        ws: QueuedWebSocket = queued(
            where,
            max_attempts=1,
            connect_timeout=0.01 if end == "given up" else 10,
            on_state=lambda change: ws.state,  # a cycle
        )
        if end == "never started":
            return weakref.ref(ws)
        ws.start()
        if end in ("close", "abort"):
            await reached(ws, State.OPEN)
            await ws.close() if end == "close" else ws.abort()
        elif end == "final":
            ws.send("x")
        await reached(ws, State.CLOSED)
        return weakref.ref(ws)

    reference = await live()

    def is_gone() -> bool:
        gc.collect()
        return reference() is None

    # The browser may still have its own close event to tell of.
    await until(is_gone)


async def test_it_lives_without_a_reference() -> None:
    """As a socket with listeners does: it has messages to deliver."""
    id = new_id()

    def begin() -> None:
        ws = queued(in_turn("/ws/refuse", f"/ws/echo?id={id}"))
        ws.send("x")
        ws.start()

    begin()
    gc.collect()
    (connection,) = await journal(id, messages=1)
    assert texts(connection) == ["x"]
