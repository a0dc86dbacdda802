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
from readystate_server.testing.inpage import Logged, all_gone, journal, raises, reported, until, url

from .conftest import (
    FOREVER,
    Page,
    Sockets,
    echoed_heartbeat,
    forever,
    in_turn,
    lost,
    reached,
    taken,
    texts,
    the_one,
)

# A connection that is closed at once, and may be made anew.
AGAIN = "/ws/close?code=1012"


def queued(where: Any = None, *arguments: Any, **options: Any) -> QueuedWebSocket:
    """One that hardly waits before it connects again."""
    options.setdefault("backoff", Backoff(0.01, 0.01))
    return QueuedWebSocket(url("/ws/echo") if where is None else where, *arguments, **options)


def started(where: Any = None, *arguments: Any, **options: Any) -> QueuedWebSocket:
    ws = queued(where, *arguments, **options)
    ws.start()
    return ws


def awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as a coroutine function."""

    async def call(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        return function(*arguments)

    return call


as_both_kinds = pytest.mark.parametrize(
    "kind", [lambda function: function, awaited], ids=["function", "coroutine function"]
)


async def followed(ws: QueuedWebSocket) -> list[StateChange]:
    return [change async for change in ws.states()]


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


def numbered_acks() -> Acks:
    """For /ws/peer, which acknowledges numbers."""

    def acked(message: str | bytes) -> list[int] | None:
        return json.loads(message)["ack"] if str(message).startswith('{"ack"') else None

    return Acks(int, acked, pass_on=False)


def unheard() -> Acks:
    """With which nothing is ever acknowledged."""
    return Acks(lambda message: message, lambda message: None)


# Beginning and ending


async def test_as_a_context_manager(id: str) -> None:
    ws = queued(url("/ws/echo", id=id, token="secret"), ["json"])
    assert (ws.state, ws.url, ws.protocol) == (State.WAITING, "", "")
    async with ws as entered:
        assert entered is ws
        assert repr(ws) == f"<QueuedWebSocket {url('/ws/echo')} CONNECTING>"
        delivery = ws.send("text")
        await delivery
        assert (delivery.state, delivery.reason) == (DeliveryState.CONFIRMED, "left the page")
        assert (ws.state, ws.protocol) == ("OPEN", "json")
        assert ws.url == url("/ws/echo", id=id, token="secret")
        assert await ws.recv() == "text"
        ws.send(b"binary")
        assert await ws.recv() == b"binary"
        ws.send("é")
        assert await ws.recv(decode=False) == "é".encode()
    assert (ws.state, ws.url, ws.protocol) == (State.CLOSED, "", "")
    assert (await the_one(id))["close"] == {"code": 1000, "reason": "", "clean": True}


async def test_without_a_block(id: str) -> None:
    ws = started(url("/ws/echo", id=id))
    assert (ws.state, ws.stats.attempts) == ("CONNECTING", 1)
    ws.send("x")
    await ws.close()
    assert ws.state is State.CLOSED
    assert texts(await the_one(id)) == ["x"]
    # It connects from the start also if it calls functions first.
    ws = started(forever)
    assert (ws.state, ws.stats.attempts) == ("CONNECTING", 1)
    ws.abort()


async def test_messages_of_all_kinds_wait_for_the_start() -> None:
    blob, changes = NativeBlob(b"blob"), bytearray(b"before")
    ws = queued()
    kinds: Any = ("é", "", "\ud800", changes, memoryview(b"abcd")[::2], blob, Blob(blob))
    deliveries = [*map(ws.send, kinds), await ws.put(b"put")]
    changes[:] = b"after!"
    with raises(TypeError):
        ws.send(5)  # type: ignore[arg-type]
    assert (ws.pending, ws.pending_bytes, ws.unconfirmed) == (8, 2 + 3 + 6 + 2 + 4 + 4 + 3, 0)
    assert [*ws][3:5] == [b"before", b"ac"]
    async with ws:
        await asyncio.gather(*deliveries)
        received = [await ws.recv() for _ in deliveries]
    assert received == ["é", "", "\ufffd", b"before", b"ac", b"blob", b"blob", b"put"]
    assert (ws.pending, ws.unconfirmed) == (0, 0)


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


@pytest.mark.parametrize(
    ("end", "reason", "error"),
    [("close", "closed", ConnectionClosedOK), ("abort", "aborted", ConnectionClosedError)],
)
async def test_an_end_before_the_start(end: str, reason: str, error: Any) -> None:
    ws = queued()
    delivery = ws.send("x")
    await ws.close() if end == "close" else ws.abort()
    assert (ws.state, delivery.reason) == (State.CLOSED, reason)
    with raises(ConnectionClosed):
        ws.start()
    await ws.drain()
    with raises(error):
        await ws.recv()
    if end == "close":
        assert [message async for message in ws] == []


async def test_close_begins_once_and_goes_on_though_it_is_cancelled(id: str) -> None:
    ws = started(url("/ws/echo", id=id))
    delivery = ws.send("x")
    with raises(TimeoutError):
        async with asyncio.timeout(0):
            await ws.close()
    with raises(ConnectionClosed):
        ws.send("late")
    await asyncio.gather(ws.close(), ws.close(4000, "not the first"), ws.close())
    assert (ws.state, delivery.state) == (State.CLOSED, DeliveryState.CONFIRMED)
    await ws.close()
    connection = await the_one(id)
    assert (texts(connection), connection["close"]["code"]) == (["x"], 1000)


@pytest.mark.parametrize("messages", [[], ["kept"]])
async def test_close_while_waiting_connects_again_only_to_deliver(
    id: str, messages: list[str]
) -> None:
    ws = started(in_turn(AGAIN, f"/ws/echo?id={id}"), backoff=FOREVER)
    await lost(ws)
    deliveries = [ws.send(message) for message in messages]
    await ws.close()
    assert ws.stats.attempts == 1 + len(messages)
    assert all(delivery.state is DeliveryState.CONFIRMED for delivery in deliveries)
    if messages:
        connection = await the_one(id)
        assert (texts(connection), connection["close"]["clean"]) == (messages, True)


async def test_close_while_connecting_leaves_no_socket(id: str) -> None:
    ws = started(url("/ws/echo", id=id))
    await ws.close()
    assert (ws.state, ws.stats.reconnects) == (State.CLOSED, 0)
    await all_gone(id)


@pytest.mark.parametrize(
    ("where", "options", "timeout"),
    [
        (None, {"close_timeout": 60}, 0.05),
        (None, {"close_timeout": 0.05}, None),
        (forever, {"connect_timeout": None}, 0.01),
    ],
    ids=["close(timeout=)", "close_timeout", "what could not be sent"],
)
async def test_close_drops_what_is_not_confirmed_in_time(
    where: Any, options: dict[str, Any], timeout: float | None
) -> None:
    ws = started(where, acks=unheard(), **options)
    deliveries = [ws.send("a"), ws.send("b")]
    if where is None:
        await until(lambda: deliveries[1].state is DeliveryState.SENT)
    with Logged() as lines:
        await ws.close(timeout=timeout)
    for delivery in deliveries:
        with raises(MessageDropped, match="closed") as caught:
            await delivery
        assert (caught.value.reason, caught.value.message) == ("closed", delivery.message)
    assert ws.stats.dropped == {"closed": 2}
    # It says so once.
    (line,) = lines
    assert "1 bytes was dropped (closed)" in line


async def test_a_closing_handshake_confirms() -> None:
    """Nothing else will: the message has no key, and no later one is acknowledged."""
    ws = started(acks=Acks(lambda message: None, lambda message: None))
    delivery = ws.send("x")
    await until(lambda: delivery.state is DeliveryState.SENT)
    await ws.close(timeout=0.01)
    assert delivery.reason == "closing handshake"


@pytest.mark.parametrize("code", [1000, 4000, 4999])
async def test_code_and_reason_reach_the_server_and_nothing_comes_after(id: str, code: int) -> None:
    asked: list[CloseEvent] = []

    def should_reconnect(event: CloseEvent) -> bool:
        asked.append(event)
        return True

    ws = started(url("/ws/echo", id=id), should_reconnect=should_reconnect)
    await reached(ws, State.OPEN)
    # A bad one changes nothing.
    for bad in (0, 1001, 2999, 5000):
        with raises(InvalidAccessError):
            await ws.close(bad)
    for reason in ("x" * 124, "é" * 62):
        with raises(DOMSyntaxError):
            await ws.close(4000, reason)
    assert ws.state is State.OPEN
    ws.send("x")
    changes = asyncio.ensure_future(followed(ws))
    await asyncio.sleep(0)
    await ws.close(code, "done")
    assert [change.state for change in await changes] == [State.OPEN, State.CLOSED]
    assert (ws.stats.attempts, asked) == (1, [])
    assert (await the_one(id))["close"] == {"code": code, "reason": "done", "clean": True}


@pytest.mark.parametrize("state", ["new", "CONNECTING", "on_open", "OPEN", "WAITING"])
async def test_abort(state: str) -> None:
    greeted = asyncio.Event()

    async def hang(ws: QueuedWebSocket) -> None:
        greeted.set()
        await forever()

    where = AGAIN if state == "WAITING" else "/ws/echo"
    on_open = hang if state == "on_open" else None
    ws = queued(url(where), acks=unheard(), backoff=FOREVER, on_open=on_open)
    if state != "new":
        ws.start()
    if state == "on_open":
        await greeted.wait()
    elif state in ("OPEN", "WAITING"):
        await reached(ws, State(state))
    deliveries = [ws.send("a"), ws.send("b")]
    expected = DeliveryState.SENT if state == "OPEN" else DeliveryState.QUEUED
    assert [delivery.state for delivery in deliveries] == [expected] * 2
    ws.abort()
    assert ws.state is State.CLOSED
    assert [delivery.reason for delivery in deliveries] == ["aborted", "aborted"]
    assert (ws.pending, ws.unconfirmed, ws.stats.dropped) == (0, 0, {"aborted": 2})
    message = r"^ended: aborted, by abort\(\) \(1006\)$"
    for call in (ws.recv, lambda: ws.put("late")):
        with raises(ConnectionClosedError, match=message) as caught:
            await call()
        assert caught.value.reason == "aborted"
    ws.abort()
    await ws.close()
    assert ws.state is State.CLOSED


async def test_abort_drops_all_for_the_same_reason() -> None:
    """Also what a lost connection would drop for another one: what is in doubt, or of on_open."""
    sent: list[Delivery] = []
    greet = lambda ws: sent.append(ws.send("greeting"))  # noqa: E731
    ws = started(acks=unheard(), in_doubt="drop", on_open=greet)
    await reached(ws, State.OPEN)
    sent.append(ws.send("x"))
    ws.abort()
    assert [delivery.reason for delivery in sent] == ["aborted", "aborted"]


@pytest.mark.parametrize(
    "where", ["url", "protocols", "CONNECTING", "on_open", "OPEN", "WAITING", "should_reconnect"]
)
@pytest.mark.parametrize("first", [True, False])
async def test_abort_in_a_function_that_it_calls(where: str, first: bool) -> None:
    """CLOSED is for good: no state comes after it, and no attempt."""
    states: list[State] = []
    calls = itertools.count(0 if first else -1)

    def end(*_: object) -> bool:
        if next(calls) == 0:
            ws.abort()
        return True

    def on_state(change: StateChange) -> None:
        states.append(change.state)
        if change.state == where:
            end()

    functions: dict[str, dict[str, Any]] = {
        "url": {"where": lambda: end() and url(AGAIN)},
        "protocols": {"protocols": lambda: ["json"] * end()},
        "on_open": {"on_open": end},
        "should_reconnect": {"should_reconnect": end},
    }
    ws = queued(**{"where": url(AGAIN), **functions.get(where, {})}, on_state=on_state)
    ws.start()
    await reached(ws, State.CLOSED)
    attempts = ws.stats.attempts
    # Nothing comes after it. A connection of another one takes longer than the next attempt would.
    async with queued() as other:
        for _ in range(5):
            other.send("x")
            await other.recv()
    assert states.index(State.CLOSED) == len(states) - 1
    assert (ws.state, ws.stats.attempts) == (State.CLOSED, attempts)
    if where == "on_open" and first:
        assert states == [State.CONNECTING, State.CLOSED]


# The bounds of what waits


async def test_what_waits_is_bounded_and_may_expire() -> None:
    ws = started(forever, max_pending=2, ttl=0.01)
    expires, stays = ws.send("a"), ws.send("b", ttl=60)
    with raises(QueueFull):
        ws.send("c")
    with raises(QueueFull):
        await ws.put("c")
    with raises(MessageDropped, match="expired"):
        await expires
    assert (list(ws), stays.state) == (["b"], DeliveryState.QUEUED)
    assert ws.clear() == 1
    assert stays.reason == "cleared"
    ws.abort()


@pytest.mark.parametrize("end", ["a connection", "abort"])
async def test_put_waits_for_room_until_there_is_a_connection_or_an_end(end: str) -> None:
    ws = queued(max_pending=1, on_full="wait")
    ws.send("x")
    waiting = asyncio.ensure_future(ws.put("y"))
    await asyncio.sleep(0)
    if end == "abort":
        ws.abort()
        with raises(ConnectionClosedError, match="aborted"):
            await waiting
    else:
        async with ws:
            await (await waiting)
            assert [await ws.recv(), await ws.recv()] == ["x", "y"]


# Receiving, and the end


async def test_receiving_goes_on_across_connections() -> None:
    where = url("/ws/flood", count=3, size=1, number=1, then="close")
    again = iter([True, True, False])
    async with queued(where, should_reconnect=lambda event: next(again)) as ws:
        received = [await ws.recv() for _ in range(4)]
        assert ws.stats.reconnects >= 1
        received += [message async for message in ws]
    assert received == list("012") * 3
    assert ws.stats.reconnects == 2


async def test_what_came_before_close_is_received_after_it(sockets: Sockets) -> None:
    async with queued() as ws:
        ws.send("a")
        ws.send("b")
        await until(lambda: len(sockets.arrived) == 2)
        assert await ws.recv() == "a"
    assert [message async for message in ws] == ["b"]


@pytest.mark.parametrize(
    ("code", "error"), [(1000, ConnectionClosedOK), (4400, ConnectionClosedError)]
)
async def test_after_the_end(code: int, error: type[ConnectionClosed]) -> None:
    async def iterate() -> None:
        received.extend([message async for message in ws])

    async def send() -> None:
        ws.send("x")

    received: list[Any] = []
    async with queued(url("/ws/close", code=code, reason="why", after=1)) as ws:
        ws.send("x")
        last = await reached(ws, State.CLOSED)
        assert type(last.error) is error
        assert await ws.recv() == "x"
        for call in (ws.recv, lambda: ws.put("x"), ws.recv, send):
            with raises(error, match=f"{code} 'why'") as caught:
                await call()
            assert (caught.value.code, caught.value.was_clean) == (code, True)
        # An iteration raises if it did not end as meant.
        if code == 1000:
            await iterate()
        else:
            with raises(error, match="4400"):
                await iterate()
        # There is nothing to wait for.
        await ws.drain()
        assert (ws.pending, received) == (0, [])


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_recv_that_waits_when_the_end_comes(end: str) -> None:
    ws = started()
    receiving = asyncio.ensure_future(ws.recv())
    await reached(ws, State.OPEN)
    await ws.close() if end == "close" else ws.abort()
    with raises(ConnectionClosedOK if end == "close" else ConnectionClosedError):
        await receiving


# What is final


@pytest.mark.parametrize("code", [1000, 1008, 4400, 4499])
async def test_codes_that_are_final(code: int) -> None:
    async with queued(url("/ws/close", code=code, reason="why", after=1), acks=unheard()) as ws:
        delivery = ws.send("x")
        error = (await reached(ws, State.CLOSED)).error
        assert isinstance(error, ConnectionClosed)
        assert (error.code, error.reason) == (code, "why")
        assert isinstance(error, ConnectionClosedOK) is (code == 1000)
        assert (delivery.reason, ws.stats.attempts) == ("closed", 1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ws/close", 1005),
        *((f"/ws/close?code={code}", code) for code in (1001, 1011, 1012, 4000, 4399, 4500)),
        ("/ws/drop", None),
        ("/ws/drop?when=handshake", None),
        ("/ws/refuse?status=503", None),
        ("/none", None),
    ],
)
async def test_ends_after_which_it_connects_again(path: str, code: int | None) -> None:
    async with queued(in_turn(path, "/ws/echo")) as ws:
        error = (await lost(ws)).error
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.attempts == 2
        if code is not None:
            assert isinstance(error, ConnectionClosed)
            assert error.code == code


@as_both_kinds
async def test_should_reconnect_decides(kind: Any) -> None:
    events: list[tuple[Any, ...]] = []

    def should_reconnect(event: CloseEvent) -> bool:
        assert isinstance(event, CloseEvent)
        events.append((event.code, event.reason, event.wasClean))
        return event.code != 1012

    paths = ("/ws/refuse", "/ws/close?code=1000&reason=go on", f"{AGAIN}&reason=enough")
    async with queued(in_turn(*paths), should_reconnect=kind(should_reconnect)) as ws:
        with raises(ConnectionClosedError, match="1012 'enough'"):
            await ws.recv()
    assert events == [(1006, "", False), (1000, "go on", True), (1012, "enough", True)]
    # None is false.
    async with queued(url("/ws/refuse"), should_reconnect=kind(lambda event: None)) as ws:
        with raises(ConnectionFailed):
            await ws.recv()
        assert ws.stats.attempts == 1


async def test_the_default_holds_if_should_reconnect_raises() -> None:
    def should_reconnect(event: CloseEvent) -> bool:
        raise LookupError(event.code)

    where = in_turn(AGAIN, "/ws/close?code=4400")
    async with queued(where, should_reconnect=should_reconnect) as ws:
        with raises(ConnectionClosedError, match="4400"):
            await ws.recv()
    assert [str(error) for error in taken()] == ["1012", "4400"]


# Where to


@pytest.mark.parametrize(
    ("protocols", "offered"),
    [
        (None, []),
        ([], []),
        ("json", ["json"]),
        (["json", "cbor"], ["json", "cbor"]),
        ((name for name in ("json", "cbor")), ["json", "cbor"]),
        (lambda: ("json",), ["json"]),
    ],
)
async def test_kinds_of_protocols(id: str, protocols: Any, offered: list[str]) -> None:
    """Offered in each attempt."""
    async with queued(in_turn(f"{AGAIN}&id={id}", f"/ws/echo?id={id}"), protocols) as ws:
        await lost(ws)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.protocol == ("json" if offered else "")
    assert [each["offered"] for each in await journal(id, closed=2)] == [offered] * 2


@as_both_kinds
async def test_each_attempt_asks_anew(id: str, kind: Any) -> None:
    where = in_turn(*[f"/ws/close?id={id}"] * 2, f"/ws/echo?id={id}")
    tokens = (f"token-{number}" for number in itertools.count(1))
    async with queued(kind(where), kind(lambda: next(tokens))) as ws:
        await until(lambda: ws.stats.reconnects == 2)
        ws.send("x")
        assert await ws.recv() == "x"
        assert (ws.url, ws.protocol) == (url("/ws/echo", id=id), "token-3")
    offered = [connection["offered"] for connection in await journal(id, closed=3)]
    assert offered == [["token-1"], ["token-2"], ["token-3"]]


@as_both_kinds
@pytest.mark.parametrize(
    ("name", "results", "expected"),
    [
        (
            "where",
            [None, 5, "http://[", "ws://host/#fragment", LookupError("no token")],
            [TypeError, TypeError, DOMSyntaxError, DOMSyntaxError, LookupError],
        ),
        (
            "protocols",
            [5, "a b", ["x", "x"], LookupError("no token")],
            [TypeError, DOMSyntaxError, DOMSyntaxError, LookupError],
        ),
    ],
)
async def test_a_function_that_fails_is_asked_again(
    name: str, results: list[Any], expected: list[type], kind: Any
) -> None:
    left = iter(results)

    def find() -> Any:
        result = next(left, url("/ws/echo") if name == "where" else "json")
        if isinstance(result, LookupError):
            raise result
        return result

    changes: list[StateChange] = []
    functions: dict[str, Any] = {"protocols": "json", name: kind(find)}
    async with queued(**functions, on_state=changes.append) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert (ws.stats.attempts, ws.stats.reconnects) == (len(results) + 1, 0)
        assert ws.protocol == "json"
    errors = taken()
    assert [change.error for change in changes if change.state is State.WAITING] == errors
    assert [type(error) for error in errors] == expected


@pytest.mark.parametrize("name", ["where", "on_open", "should_reconnect"])
async def test_a_function_that_waits_for_what_is_cancelled(name: str) -> None:
    """What it waits for is cancelled, not this object: the attempt has failed."""
    calls = itertools.count()

    async def function(*_: object) -> str:
        if not next(calls):
            token = asyncio.get_running_loop().create_future()
            token.cancel()
            await token
        return url("/ws/echo")

    where = in_turn(AGAIN, "/ws/echo") if name == "should_reconnect" else None
    functions: dict[str, Any] = {"where": where, name: function}
    options: dict[str, Any] = {"connect_timeout": None, "close_timeout": 0}
    async with queued(**functions, **options, heartbeat=echoed_heartbeat()) as ws:
        ws.send("x")
        async with asyncio.timeout(5):
            assert await ws.recv() == "x"
    assert len(taken()) == 1


@pytest.mark.parametrize("use", ["start", "async with"])
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("http://[",), DOMSyntaxError),
        (("ws://host/#fragment",), DOMSyntaxError),
        *((("ws://host/", bad), DOMSyntaxError) for bad in ("a b", "", ["x", "x"], ["x", "ä"])),
    ],
)
async def test_bad_values_are_raised_at_the_start(use: str, arguments: Any, error: Any) -> None:
    ws = queued(*arguments)
    delivery = ws.send("x")
    with raises(error):
        if use == "start":
            ws.start()
        else:
            async with ws:
                pass
    # Nothing has begun.
    assert (ws.state, ws.stats.attempts) == (State.WAITING, 0)
    assert (list(ws), delivery.state) == (["x"], DeliveryState.QUEUED)
    await ws.close()


@pytest.mark.parametrize("protocols", ["a b", ["x", "x"]])
async def test_bad_protocols_are_final_though_the_url_is_a_function(protocols: Any) -> None:
    ws = started(lambda: url("/ws/echo"), protocols)
    delivery = ws.send("x")
    assert isinstance((await reached(ws, State.CLOSED)).error, DOMSyntaxError)
    with raises(DOMSyntaxError):
        await ws.recv()
    with raises(DOMSyntaxError):
        ws.send("late")
    with raises(MessageDropped, match="closed"):
        await delivery
    assert ws.stats.attempts == 1


# How long, and how often


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("the URL function", "the function for the URL or the protocols has not returned"),
        ("the handshake", "has not accepted the connection"),
        ("on_open", "on_open has not returned"),
        ("the session", "has not opened or resumed the session"),
    ],
)
async def test_what_hangs_is_given_up_and_tried_again(id: str, what: str, told: str) -> None:
    calls, cancelled = itertools.count(), []

    async def hang_first(*_: object) -> str:
        if not next(calls):
            try:
                await forever()
            finally:
                cancelled.append(True)
        return url("/ws/echo")

    sessions = in_turn("/ws/stall", f"/ws/session?echo=1&id={id}")
    options: dict[str, dict[str, Any]] = {
        "the URL function": {"where": hang_first},
        "the handshake": {"where": in_turn(f"/ws/echo?delay=0.6&id={id}", "/ws/echo")},
        "on_open": {"on_open": hang_first},
        "the session": {"where": sessions, "session": True},
    }
    async with queued(**options[what], connect_timeout=0.3) as ws:
        ws.send("x")
        error = (await lost(ws)).error
        assert isinstance(error, OpenTimeout)
        assert told in str(error)
        assert str(error).endswith(" within 0.3 s")
        assert await ws.recv() == "x"
    assert bool(cancelled) is (what in ("the URL function", "on_open"))
    if what == "the handshake":
        assert error.url == url("/ws/echo")
        await all_gone(id)


@pytest.mark.parametrize("where", [forever, lambda: url("/ws/echo", delay=2)])
@pytest.mark.parametrize("limit", [{"max_attempts": 3}, {"give_up_after": 0.3}])
async def test_timeouts_count_as_attempts(where: Any, limit: dict[str, Any]) -> None:
    ws = started(where, connect_timeout=0.02, **limit)
    with raises(ConnectionFailed) as caught:
        await ws.recv()
    assert isinstance(caught.value.__cause__, OpenTimeout)
    assert ws.stats.attempts >= 2


async def test_a_failed_handshake_is_given_up_at_once_if_that_is_asked() -> None:
    ws = started(url("/ws/refuse", token="secret"), max_attempts=1)
    delivery = ws.send("x")
    last = await reached(ws, State.CLOSED)
    assert isinstance(last.error, ConnectionFailed)
    assert (last.attempt, last.error.url) == (1, url("/ws/refuse"))
    assert "secret" not in str(last.error)
    for call in (ws.recv, ws.recv, lambda: ws.put("late"), lambda: anext(aiter(ws))):
        with raises(ConnectionFailed, match="1 attempts"):
            await call()
    with raises(ConnectionFailed):
        ws.send("late")
    with raises(MessageDropped, match="closed"):
        await delivery
    await ws.close()


async def test_max_attempts_counts_those_in_a_row() -> None:
    paths = iter(["", f"{AGAIN}&after=1", "", "", "/ws/echo"])

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
    assert len(taken()) == 3
    # The second one was of use: it has brought "x".
    assert [each.attempt for each in changes if each.state is State.CONNECTING] == [1, 2, 1, 2, 3]
    assert [each.attempt for each in changes if each.state is State.WAITING] == [1, 0, 1, 2]


# States


async def test_states() -> None:
    ws = queued(in_turn(AGAIN, "/ws/echo"), backoff=Backoff(0.02, 0.02, jitter=0))
    early = [asyncio.ensure_future(followed(ws)) for _ in range(3)]
    await asyncio.sleep(0)
    early.pop().cancel()  # which leaves the others alone
    ws.start()
    slow = ws.states()
    assert (await anext(slow)).state is State.CONNECTING
    await lost(ws)
    ws.send("x")
    await ws.recv()
    late = asyncio.ensure_future(followed(ws))
    await asyncio.sleep(0)
    await ws.close()
    changes = await early[0]
    assert await early[1] == changes
    assert [(change.state, change.attempt, change.delay) for change in changes[:-1]] == [
        (State.WAITING, 0, None),
        (State.CONNECTING, 1, None),
        (State.OPEN, 0, None),
        (State.WAITING, 1, 0.02),  # The connection was of no use.
        (State.CONNECTING, 2, None),
        (State.OPEN, 0, None),
    ]
    assert (changes[-1].state, changes[-1].delay) == (State.CLOSED, None)
    first, end = changes[3].error, changes[6].error
    assert isinstance(first, ConnectionClosedError)
    assert first.code == 1012
    assert isinstance(end, ConnectionClosedOK)
    assert {change.error for change in changes} == {None, first, end}
    # One that is slow misses none; one that begins late sees the state of then first; one after
    # the end only that.
    assert [change async for change in slow] == changes[2:]
    assert await late == changes[5:]
    assert await followed(ws) == changes[6:]


@as_both_kinds
async def test_on_state_is_told_of_each_and_what_it_raises_is_reported(kind: Any) -> None:
    def fail(change: StateChange) -> None:
        raise LookupError(change.state)

    async with queued(on_state=kind(fail)) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
    await until(lambda: len(reported) == 3)
    assert "on_state" in reported[0]["message"]
    assert [str(error) for error in taken()] == ["CONNECTING", "OPEN", "CLOSED"]


# on_open


@as_both_kinds
async def test_on_open_goes_ahead_on_each_connection(id: str, kind: Any) -> None:
    def greet(ws: QueuedWebSocket) -> Delivery:
        ws.send("token")
        return ws.send("subscription")

    ws = queued(in_turn(f"{AGAIN}&after=3&id={id}", f"/ws/echo?id={id}"), on_open=kind(greet))
    ws.send("first")
    async with ws:
        await lost(ws)
        ws.clear()  # What the server closes behind may not have been seen to leave.
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

    ws = queued(in_turn(f"{AGAIN}&after=3", "/ws/echo"), on_open=greet)
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


@pytest.mark.parametrize("taken", [0, 2])
async def test_what_on_open_does_not_receive_goes_on_in_order(sockets: Sockets, taken: int) -> None:
    greeted = asyncio.Event()

    async def take(ws: QueuedWebSocket) -> None:
        assert [int(await ws.recv()) for _ in range(taken)] == [*range(taken)]
        await greeted.wait()

    async with queued(url("/ws/flood", count=100, size=4, number=1), on_open=take) as ws:
        receiving = asyncio.ensure_future(ws.recv())
        await until(lambda: sockets.arrived)
        assert not receiving.done()
        greeted.set()
        received = [await receiving, *[await ws.recv() for _ in range(99 - taken)]]
    assert [int(message) for message in received] == [*range(taken, 100)]


async def test_what_others_send_during_on_open_waits(id: str) -> None:
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
    assert texts(await the_one(id)) == ["1", "2", "3", "4"]


@as_both_kinds
async def test_an_on_open_that_raises(id: str, kind: Any) -> None:
    calls = itertools.count()

    def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        if not next(calls):
            raise LookupError("no token")

    ws = queued(url("/ws/echo", id=id), on_open=kind(greet))
    ws.send("x")
    async with ws:
        waiting = await lost(ws)
        assert isinstance(waiting.error, LookupError)
        assert waiting.attempt == 1
        assert [await ws.recv(), await ws.recv()][-1] == "x"
        assert (ws.stats.attempts, ws.stats.reconnects) == (2, 0)
    assert "on_open" in reported[0]["message"]
    assert taken() == [waiting.error]
    first, second = await journal(id, closed=2)
    assert "x" not in texts(first)
    assert texts(second) == ["token", "x"]


@pytest.mark.parametrize("evidence", ["left the page", "heartbeat", "acknowledged"])
async def test_on_open_may_await_its_own_delivery(evidence: str) -> None:
    reasons: list[object] = []

    async def greet(ws: QueuedWebSocket) -> None:
        delivery = ws.send("#1 token")
        if evidence == "acknowledged":
            ws.send("ack 1")
        await delivery
        reasons.append(delivery.reason)

    options: dict[str, Any] = {
        "left the page": {},
        "heartbeat": {"heartbeat": echoed_heartbeat()},
        "acknowledged": {"acks": echoed_acks()},
    }
    ws = started(on_open=greet, **options[evidence])
    await reached(ws, State.OPEN)
    assert reasons == [evidence]
    ws.abort()


async def test_a_connection_that_is_lost_during_on_open(id: str) -> None:
    deliveries: list[Delivery] = []

    async def greet(ws: QueuedWebSocket) -> None:
        deliveries.append(ws.send("token"))
        if len(deliveries) == 1:
            await forever()

    where = in_turn(f"{AGAIN}&after=1&id={id}", f"/ws/echo?id={id}")
    ws = queued(where, on_open=greet, heartbeat=echoed_heartbeat())
    kept = ws.send("kept")
    async with ws:
        await kept
        assert ws.stats.reconnects == 0
    first, second = await journal(id, closed=2)
    # Heartbeats may come between.
    assert [text for text in texts(first) if text != "ping"] == ["token"]
    assert [text for text in texts(second) if text != "ping"] == ["token", "kept"]
    assert [delivery.reason for delivery in deliveries] == ["connection lost", "heartbeat"]


@pytest.mark.parametrize("code", [1000, 4401])
async def test_a_server_that_turns_down_what_on_open_sends(code: int) -> None:
    """The code and reason of its close frame are why it has ended."""

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        assert await ws.recv() == "token"
        await ws.recv()

    async with queued(url("/ws/close", code=code, reason="why", after=1), on_open=greet) as ws:
        error = (await reached(ws, State.CLOSED)).error
        assert isinstance(error, ConnectionClosed), error
        assert (error.code, error.reason) == (code, "why")


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


@pytest.mark.parametrize("name", ["drain", "close", "wait_open"])
async def test_on_open_cannot_wait_for_what_waits_for_it(name: str) -> None:
    async def greet(ws: QueuedWebSocket) -> None:
        with raises(RuntimeError, match=rf"{name}\(\) in on_open would wait forever"):
            await getattr(ws, name)()
        refused.append(name)

    refused: list[str] = []
    async with queued(on_open=greet) as ws:
        await ws.send("x")
    assert refused == [name]


async def test_on_open_may_return_any_awaitable() -> None:
    greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    called = asyncio.Event()

    def greet(ws: QueuedWebSocket) -> asyncio.Future[None]:
        called.set()
        return greeted

    async with queued(on_open=greet) as ws:
        ws.send("x")
        await called.wait()
        assert ws.state == "CONNECTING"
        greeted.set_result(None)
        assert await ws.recv() == "x"


# The heartbeat


@pytest.mark.parametrize("is_function", [False, True])
async def test_a_heartbeat_is_sent_each_interval(is_function: bool) -> None:
    numbers = itertools.count(1)
    message = (lambda: f"ping {next(numbers)}") if is_function else b"ping"
    async with queued(heartbeat=Heartbeat(message, interval=0.05, timeout=30)) as ws:
        # Without is_reply they are messages as any.
        received = [await ws.recv() for _ in range(3)]
    assert received == (["ping 1", "ping 2", "ping 3"] if is_function else [b"ping"] * 3)
    # They are no messages of the queue.
    assert (ws.stats.accepted, ws.stats.sent) == (0, 0)


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
        error = (await lost(ws)).error
        assert delivery.state is DeliveryState.SENT
        assert isinstance(error, ConnectionClosedError)
        assert (error.code, error.was_clean) == (1006, False)
        assert error.cause == "no reply to the heartbeat within 0.3 s"
        assert str(error) == f"ended: {error.cause} (1006)"
        await delivery
        assert delivery.reason == "heartbeat"
        assert (ws.stats.reconnects >= 1, ws.stats.resent >= 1) == (True, True)


async def test_without_is_reply_it_finds_a_dead_connection_and_confirms_nothing() -> None:
    heartbeat = Heartbeat("ping", interval=0.05, timeout=0.3)
    async with queued(in_turn("/ws/stall", "/ws/echo"), heartbeat=heartbeat) as ws:
        await lost(ws)
        assert await ws.recv() == "ping"
        delivery = ws.send("x")
        await delivery
        assert delivery.reason == "left the page"


async def test_replies_confirm_and_are_kept_from_the_application(id: str) -> None:
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

    async with queued(heartbeat=echoed_heartbeat(request)) as ws:
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
    waiting = asyncio.ensure_future(delivery) if how == "await before the start" else None
    await asyncio.sleep(0)
    ws.start()
    if waiting is not None:
        await waiting
    elif how == "await":
        await delivery
    elif how == "drain":
        await ws.drain()
    await ws.close()
    assert delivery.reason == "heartbeat"


async def test_any_traffic_keeps_a_connection() -> None:
    """Ten heartbeats last longer than the timeout; what comes back is not what is_reply means."""
    heartbeat = Heartbeat("ping", interval=0.1, timeout=0.8, is_reply=lambda m: m == "pong")
    async with queued(heartbeat=heartbeat, close_timeout=0) as ws:
        assert [await ws.recv() for _ in range(10)] == ["ping"] * 10
        assert ws.stats.reconnects == 0


@pytest.mark.parametrize("answer", [LookupError("no message"), 5])
async def test_a_heartbeat_message_that_fails_is_reported(answer: Any) -> None:
    def message() -> Any:
        if isinstance(answer, LookupError):
            raise answer
        return answer

    async with queued(heartbeat=Heartbeat(message, interval=0.02, timeout=30)) as ws:
        await until(lambda: len(reported) >= 2)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 0
    assert "heartbeat" in reported[0]["message"]
    expected = LookupError if isinstance(answer, LookupError) else TypeError
    assert {type(error) for error in taken()} == {expected}


async def test_an_is_reply_that_raises_is_reported_and_loses_nothing() -> None:
    def is_reply(message: str | bytes) -> bool:
        raise LookupError(message)

    async with queued(heartbeat=echoed_heartbeat(is_reply=is_reply), close_timeout=0) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
    assert "x" in [str(error) for error in taken()]


@pytest.mark.parametrize("bound", [{"max_unconfirmed": 10}, {"max_unconfirmed_bytes": 40}])
async def test_a_small_window_does_not_wait_for_the_interval(
    id: str, bound: dict[str, int]
) -> None:
    heartbeat = Heartbeat("ping", interval=3600, timeout=30, is_reply=lambda m: m == "pong")
    ws = queued(url("/ws/peer", ping="ping", id=id), **bound, heartbeat=heartbeat)
    deliveries = [ws.send(f"{number:04}") for number in range(300)]
    most = 0
    async with ws:
        while not deliveries[-1].reason and deliveries[-1].state is not DeliveryState.SENT:
            most = max(most, ws.unconfirmed)
            await asyncio.sleep(0)
        await ws.drain()
    assert texts(await the_one(id)) == [f"{number:04}" for number in range(300)]
    assert 0 < most <= 10
    assert {delivery.reason for delivery in deliveries} == {"heartbeat"}


# Acknowledgements


@pytest.mark.parametrize("pass_on", [True, False])
async def test_acknowledgements_are_passed_on_if_that_is_asked(pass_on: bool) -> None:
    async with queued(acks=echoed_acks(pass_on=pass_on)) as ws:
        first, _, last = [ws.send(message) for message in ("#1", "ack 1", "x")]
        received = [await ws.recv()]
        while received[-1] != "x":
            received.append(await ws.recv())
        assert received == (["#1", "ack 1", "x"] if pass_on else ["#1", "x"])
        assert (first.reason, last.state) == ("acknowledged", DeliveryState.SENT)
        ws.abort()


@pytest.mark.parametrize("answer", [LookupError(), [["unhashable"]], 5])
async def test_an_acked_that_fails_is_reported_and_loses_nothing(answer: Any) -> None:
    def acked(message: str | bytes) -> Any:
        if message != "bad":
            return str(message).split()[1:] or None
        if isinstance(answer, LookupError):
            raise answer
        return answer

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
async def test_a_key_that_fails_is_raised_and_changes_nothing(id: str, place: str) -> None:
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
        # Nothing else is awaited.
        assert ws.unconfirmed == 0
    assert texts(await the_one(id)) == ["x"]


async def test_with_a_heartbeat_too_those_with_a_key_wait_for_acknowledgements(id: str) -> None:
    acks = echoed_acks(pass_on=False)
    async with queued(url("/ws/echo", id=id), heartbeat=echoed_heartbeat(), acks=acks) as ws:
        keyed, other = ws.send("#1"), ws.send("x")
        await other
        assert (other.reason, keyed.state) == ("heartbeat", "SENT")
        # And that without a storm of heartbeats.
        waiting = asyncio.ensure_future(ws.drain())
        async with queued() as echo:
            for _ in range(50):
                echo.send("x")
                await echo.recv()
        (connection,) = await journal(id)
        assert texts(connection).count("ping") < 10
        ws.send("ack 1")
        await keyed
        assert keyed.reason == "acknowledged"
        await waiting


# What is in doubt


@pytest.mark.parametrize("fault", ["drop", "close&code=1012"])
async def test_what_is_in_doubt_is_sent_again_first(id: str, fault: str) -> None:
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
    ws = queued(where, acks=numbered_acks(), on_state=on_state)
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


# What nobody receives


@pytest.mark.parametrize("bound", [{"max_queue": 10}, {"max_queue_bytes": 40}])
@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ({}, range(90, 100)),
        ({"on_overflow": "drop-oldest"}, range(90, 100)),
        ({"on_overflow": "drop-newest"}, range(10)),
    ],
)
async def test_more_than_is_held_is_dropped(
    bound: dict[str, Any], policy: dict[str, Any], left: range
) -> None:
    async with queued(url("/ws/flood", count=100, size=4, number=1), **bound, **policy) as ws:
        assert ws.dropped == 0
        await until(lambda: ws.dropped == 90)
        assert [int(await ws.recv()) for _ in range(10)] == [*left]
        ws.send("x")
        await ws.drain()


async def test_more_than_is_held_ends_it_if_that_is_asked(id: str) -> None:
    where = url("/ws/flood", count=100, size=4, number=1, id=id)
    async with queued(where, max_queue=10, on_overflow="close") as ws:
        error = (await reached(ws, State.CLOSED)).error
        assert isinstance(error, ConnectionClosedError)
        assert error.code == 4008
        # What came before is there, in order.
        received: list[int] = []
        with raises(ConnectionClosedError, match="^ended: more has arrived than max_queue"):
            async for message in ws:
                received.append(int(message))
        assert received == list(range(len(received)))
        assert len(received) > 10
        with raises(ConnectionClosedError, match="4008"):
            ws.send("x")
    assert (await the_one(id))["close"]["code"] == 4008
    assert (ws.dropped, ws.stats.attempts) == (0, 1)


# The network and the page


@pytest.mark.parametrize("type", ["online", "pageshow", "resume", "visible"])
async def test_what_comes_back_connects_at_once(fake_page: Page, type: str) -> None:
    async with queued(in_turn(AGAIN, "/ws/echo"), backoff=FOREVER) as ws:
        assert (await lost(ws)).delay == 600
        for away in ("offline", "pagehide", "hidden"):
            fake_page.dispatch(away)
            await asyncio.sleep(0)
            assert (ws.state, ws.stats.attempts) == (State.WAITING, 1)
        fake_page.dispatch(type)
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 1


@pytest.mark.parametrize("type", ["online", "offline"])
async def test_a_change_of_the_network_has_the_connection_looked_at(
    fake_page: Page, id: str, type: str
) -> None:
    async with queued(url("/ws/echo", id=id), heartbeat=echoed_heartbeat()) as ws:
        await reached(ws, State.OPEN)
        fake_page.dispatch(type)
        (connection,) = await journal(id, messages=1)
        assert texts(connection) == ["ping"]


async def test_after_the_end_it_listens_to_nothing(fake_page: Page) -> None:
    async with queued() as ws:
        await reached(ws, State.OPEN)
        assert fake_page.listeners
    started().abort()
    await until(lambda: fake_page.listeners == {})


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


# Moments that a server cannot be made to hit


async def test_what_arrives_right_before_the_end_is_received_though_on_open_never_ran(
    sockets: Sockets,
) -> None:
    """All in the turn in which the connection was opened."""

    async def greet(ws: QueuedWebSocket) -> None:
        raise AssertionError

    where = in_turn("/ws/echo", "/ws/stall")
    async with queued(where, on_open=greet, backoff=FOREVER) as ws:
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


async def test_abort_sends_nothing_though_an_acknowledgement_is_there(
    sockets: Sockets, id: str
) -> None:
    async with queued(url("/ws/sink", id=id), acks=numbered_acks(), max_unconfirmed=1) as ws:
        await reached(ws, State.OPEN)
        deliveries = [ws.send(str(number)) for number in range(3)]
        sockets.made[0].on_message('{"ack": [0]}')
        ws.abort()
    assert [delivery.reason for delivery in deliveries] == ["acknowledged", "aborted", "aborted"]
    assert texts(await the_one(id)) == ["0"]


@pytest.mark.parametrize("name", ["is_reply", "acked"])
async def test_abort_in_a_function_that_looks_at_messages(sockets: Sockets, name: str) -> None:
    def end(message: Any) -> None:
        ws.abort()

    options: dict[str, Any] = {
        "is_reply": {"heartbeat": echoed_heartbeat(is_reply=end)},
        "acked": {"acks": Acks(lambda message: None, end)},
    }
    async with queued(**options[name]) as ws:
        await reached(ws, State.OPEN)
        sockets.made[0].on_message("x")
        assert await ws.recv() == "x"
        with raises(ConnectionClosed):
            await ws.recv()


async def test_a_server_that_closes_first_has_confirmed_nothing(sockets: Sockets) -> None:
    """close() right behind its close frame does nothing, and its code says nothing."""
    async with queued(url("/ws/close", code=1000, after=1), heartbeat=echoed_heartbeat()) as ws:
        await reached(ws, State.OPEN)
        delivery = ws.send("x")
        (native,) = sockets.made
        await until(lambda: native.readyState == native.CLOSING)
        await ws.close(timeout=0)
        assert (delivery.state, delivery.reason) == ("DROPPED", "closed")


async def test_half_a_window_of_single_messages_asks_for_a_confirmation() -> None:
    async with queued(heartbeat=echoed_heartbeat(), max_unconfirmed=8) as ws:
        await reached(ws, State.OPEN)
        for number in range(4):
            ws.send(str(number))
        await until(lambda: ws.stats.confirmed == 4)


async def test_one_that_is_awaited_does_not_have_all_others_asked_for() -> None:
    requests: list[str] = []

    def request() -> str:
        requests.append("ping")
        return "ping"

    async with queued(heartbeat=echoed_heartbeat(request)) as ws:
        await ws.send("awaited")
        for number in range(20):
            ws.send(str(number))
            assert await ws.recv() is not None
        assert len(requests) == 1


# What is left


@pytest.mark.parametrize("end", ["close", "abort", "never started", "final", "given up"])
async def test_the_object_goes_too(end: str) -> None:
    async def live() -> weakref.ref[QueuedWebSocket]:
        ws: QueuedWebSocket = queued(
            forever if end == "given up" else url("/ws/close?code=4400&after=1"),
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
    await until(lambda: gc.collect() >= 0 and reference() is None)


async def test_it_lives_without_a_reference(id: str) -> None:
    """As a socket with listeners does: it has messages to deliver."""
    started(in_turn("/ws/refuse", f"/ws/echo?id={id}")).send("x")
    gc.collect()
    (connection,) = await journal(id, messages=1)
    assert texts(connection) == ["x"]
