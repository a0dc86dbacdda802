"""SendQueue."""

from __future__ import annotations

import array
import asyncio
import base64
import gc
import logging
import time
import weakref
from typing import Any, Literal

import pytest

from readystate import (
    Blob,
    Delivery,
    DeliveryState,
    MessageDropped,
    QueueClosed,
    QueueFull,
    SendQueue,
    WebSocket,
)
from readystate._host.cpython.errors import NativeError
from readystate._host.cpython.events import NativeCloseEvent, NativeEvent
from readystate._host.cpython.native_websocket import NativeWebSocket
from readystate._host.cpython.values import NativeBlob, NativeBuffer
from readystate_server.testing.inpage import (
    all_delivered,
    closed,
    event,
    journal,
    new_id,
    opened,
    raises,
    reported,
    turns,
    until,
    url,
)

BIG = 2**16
# More than TCP and the browser keep for a server that reads slowly: the rest stays in the page.
MANY = 160
SLOW = 3 * 2**20


class DropLog(logging.Handler):
    """Takes, and keeps from the console, what is logged of messages that are dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")

    def __enter__(self) -> DropLog:
        logging.getLogger("readystate").addHandler(self)
        logging.getLogger("readystate").propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("readystate").removeHandler(self)
        logging.getLogger("readystate").propagate = True


def contents(connection: dict[str, Any]) -> list[str | bytes]:
    """What the server received on a connection: text as ``str``, binary as ``bytes``."""
    return [
        message["data"] if message["kind"] == "text" else base64.b64decode(message["data"])
        for message in connection["messages"]
    ]


async def received(id: str, ws: WebSocket) -> list[str | bytes]:
    """What the server received on the one connection with ``id``, once that is closed."""
    await closed(ws)
    (connection,) = await journal(id, closed=1, timeout=25)
    return contents(connection)


async def sizes(id: str, count: int) -> list[int]:
    """How long the messages were that the server received on the one connection with ``id``."""
    (connection,) = await journal(id, messages=count, timeout=25)
    return [message["size"] for message in connection["messages"]]


def numbers(count: int) -> list[str]:
    return [f"{number}" for number in range(count)]


def big(number: int) -> str:
    """A long text that is known by its length."""
    return "x" * (BIG + number)


def states(deliveries: list[Delivery]) -> str:
    """The states by their first letters."""
    return "".join(delivery.state[0] for delivery in deliveries)


def check(queue: SendQueue) -> None:
    """What always holds."""
    stats = queue.stats
    over = stats.confirmed + sum(stats.dropped.values())
    assert stats.accepted == over + queue.pending + queue.unconfirmed
    assert queue.pending == len(list(queue))
    assert 0 <= stats.resent <= stats.sent


async def dropped(delivery: Delivery) -> str:
    """Why it was dropped."""
    with raises(MessageDropped) as caught:
        await delivery
    assert delivery.state == "DROPPED"
    assert caught.value.message == delivery.message
    assert caught.value.reason == delivery.reason
    return str(caught.value.reason)


# Any state of the socket


@pytest.mark.parametrize("over", ["a WebSocket", "a native one", "none at first"])
async def test_what_is_sent_while_connecting_goes_out_on_open_in_order(over: str) -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    if over == "none at first":
        queue = SendQueue()
        queue.send("first")
        queue.attach(ws)
    else:
        queue = SendQueue(ws if over == "a WebSocket" else ws.js_websocket)
        queue.send("first")
    for text in numbers(30):
        queue.send(text)
    assert ws.readyState == WebSocket.CONNECTING
    assert (queue.pending, ws.bufferedAmount) == (31, 0)
    await queue.drain()
    assert await received(id, ws) == ["first", *numbers(30)]


async def test_over_a_socket_that_is_open_already() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    queue.send("at once")
    await queue.drain()
    assert await received(id, ws) == ["at once"]


async def test_what_waits_goes_out_over_a_socket_that_is_open_already() -> None:
    id = new_id()
    queue = SendQueue()
    for text in numbers(20):
        queue.send(text)
    ws = await opened("/ws/sink", id=id)
    queue.attach(ws)
    assert (queue.pending, queue.unconfirmed) == (0, 20)
    assert ws.bufferedAmount > 0
    assert await received(id, ws) == numbers(20)


async def test_closing_and_closed_accept_too_and_keep() -> None:
    first, second = new_id(), new_id()
    ws = await opened("/ws/sink", id=first)
    queue = SendQueue(ws)
    queue.send("open")
    await queue.drain()
    end = event(ws, "close")
    ws.close()
    assert ws.readyState == WebSocket.CLOSING
    in_closing = queue.send("closing")
    await end
    assert ws.readyState == WebSocket.CLOSED
    in_closed = queue.send("closed")
    assert states([in_closing, in_closed]) == "QQ"
    assert list(queue) == ["closing", "closed"]
    # Had they been given to the socket, they would be lost, and this would have grown.
    assert ws.bufferedAmount == 0
    again = WebSocket(url("/ws/sink", id=second))
    queue.attach(again)
    await queue.drain()
    assert await received(second, again) == ["closing", "closed"]
    (connection,) = await journal(first, closed=1)
    assert contents(connection) == ["open"]


async def test_over_a_socket_that_is_closed_already() -> None:
    ws = await opened()
    await closed(ws)
    queue = SendQueue(ws)
    delivery = queue.send("x")
    await turns()
    assert (delivery.state, queue.pending, ws.bufferedAmount) == ("QUEUED", 1, 0)
    id = new_id()
    again = await opened(id=id)
    queue.attach(again)
    await delivery
    assert await received(id, again) == ["x"]


async def test_a_connection_that_fails_loses_nothing() -> None:
    ws = WebSocket(url("/ws/refuse"))
    queue = SendQueue(ws)
    queue.send("a")
    await event(ws, "close")
    queue.send("b")
    assert list(queue) == ["a", "b"]
    id = new_id()
    again = WebSocket(url("/ws/sink", id=id))
    queue.attach(again)
    await queue.drain()
    assert await received(id, again) == ["a", "b"]
    assert queue.stats.resent == 0


# Order


@pytest.mark.parametrize(
    ("how", "window"),
    [
        ("constructor", 3),
        ("onopen", 2**14),
        ("onopen", 3),
        ("listener", 3),
        ("late onopen", 2**14),
        ("late onopen", 3),
    ],
)
async def test_what_an_open_handler_sends_comes_after_the_backlog(how: str, window: int) -> None:
    id = new_id()
    from_handler: list[Delivery] = []

    def on_open(_: object) -> None:
        from_handler.append(queue.send("from the handler"))

    in_time = on_open if how == "constructor" else None
    ws = WebSocket(url("/ws/sink", id=id, ack=0), onopen=in_time)
    if how == "onopen":
        ws.onopen = on_open
    elif how == "listener":
        ws.addEventListener("open", on_open)
    queue = SendQueue(ws, max_unconfirmed=window)
    if how == "late onopen":
        ws.onopen = on_open
    for text in numbers(20):
        queue.send(text)
    await until(lambda: from_handler)
    queue.send("after")
    await queue.drain()
    assert await received(id, ws) == [*numbers(20), "from the handler", "after"]


async def test_what_a_message_handler_sends_meanwhile_comes_after_the_backlog() -> None:
    id = new_id()
    accepted = numbers(100)
    waited: list[int] = []

    def on_message(event: Any) -> None:
        if len(waited) < 10:
            for number in range(5):
                accepted.append(f"{number} to {event.data}")
                queue.send(accepted[-1])
            waited.append(queue.pending)

    ws = WebSocket(url("/ws/echo", id=id), onmessage=on_message)
    queue = SendQueue(ws, max_unconfirmed=4)
    for text in numbers(100):
        queue.send(text)
    await until(lambda: len(waited) == 10)
    await queue.drain()
    assert all(waited)
    assert await received(id, ws) == accepted


async def test_open_with_nothing_waiting_it_is_sent_in_the_same_call() -> None:
    ws = await opened()
    queue = SendQueue(ws)
    delivery = queue.send("hello")
    assert ws.bufferedAmount == 5
    assert (delivery.state, delivery.reason) == ("SENT", None)
    assert (queue.pending, queue.unconfirmed) == (0, 1)


async def test_even_before_the_open_event_has_been_delivered_to_the_queue() -> None:
    """In a listener that comes before its own, the socket is open."""
    ws = WebSocket(url("/ws/echo"))
    seen: list[object] = []

    def on_open(_: object) -> None:
        seen.extend((queue.send("a").state, queue.pending))

    ws.onopen = on_open
    queue = SendQueue(ws)
    await event(ws, "open")
    assert seen == ["SENT", 0]


async def test_open_with_something_waiting_it_waits_its_turn() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws, max_unconfirmed=1)
    deliveries = [queue.send(text) for text in numbers(3)]
    assert states(deliveries) == "SQQ"
    assert list(queue) == ["1", "2"]
    await queue.drain()
    assert await received(id, ws) == numbers(3)


# Kinds of messages


@pytest.mark.parametrize("waiting", [True, False])
async def test_text(waiting: bool) -> None:
    texts = [
        "", "a", "é", "日本語", "😀", "\0", "a\0b", "\0\0", "", "\r\n", "\ufeff", "\uffff",
        "\ud83d", "\ude00", "a\ud800b", "\ud83d\ude00", "\udc00\ud800", "x" * BIG, "é" * BIG, "",
    ]  # fmt: skip
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    sent = [queue.send(text) for text in texts]
    queue.attach(ws) if waiting else None
    await queue.drain()
    expected = [
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts
    ]
    assert await received(id, ws) == expected
    # In bytes, as bufferedAmount counts.
    assert [delivery.size for delivery in sent] == [len(text.encode()) for text in expected]


@pytest.mark.parametrize("count", [16, 31, 32, 300])
async def test_backlogs_of_any_length_with_and_without_nul(count: int) -> None:
    for pattern in ("{}", "{}\0", "\0", ""):
        id = new_id()
        queue = SendQueue()
        texts = [pattern.format(number) for number in range(count)]
        for text in texts:
            queue.send(text)
        ws = WebSocket(url("/ws/sink", id=id, ack=0))
        queue.attach(ws)
        await queue.drain()
        assert await received(id, ws) == texts, pattern


@pytest.mark.parametrize("waiting", [True, False])
async def test_binary_is_what_it_was_when_it_was_accepted(waiting: bool) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    changing = bytearray(b"before")
    numbers = array.array("i", [1, -2])
    strided = memoryview(bytearray(range(8)))[::2]
    large = bytearray(BIG)
    cases: list[tuple[object, bytes]] = [
        (b"bytes", b"bytes"),
        (b"", b""),
        (changing, b"before"),
        (memoryview(changing)[1:3], b"ef"),
        (strided, bytes((0, 2, 4, 6))),
        (numbers, array.array("i", [1, -2]).tobytes()),
        (memoryview(bytes(range(12))).cast("B", (3, 4)), bytes(range(12))),
        (large, bytes(BIG)),
        (NativeBuffer(b"abcdef"), b"abcdef"),
    ]
    sent = [queue.send(data) for data, _ in cases]  # type: ignore[arg-type]
    changing[:] = b"after!"
    strided[0] = 99
    numbers[0] = 7
    large[0] = 1
    queue.attach(ws) if waiting else None
    await queue.drain()
    assert await received(id, ws) == [expected for _, expected in cases]
    assert [delivery.message for delivery in sent] == [expected for _, expected in cases]
    assert [delivery.size for delivery in sent] == [len(expected) for _, expected in cases]


async def test_a_bytearray_may_change_its_size_while_its_message_waits() -> None:
    queue = SendQueue()
    data = bytearray(BIG)
    delivery = queue.send(data)
    data.clear()  # BufferError, if anything held on to it
    assert len(delivery.message) == BIG


@pytest.mark.parametrize("waiting", [True, False])
async def test_blobs(waiting: bool) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    sent = [
        queue.send(NativeBlob(b"native")),  # type: ignore[arg-type]
        queue.send("between"),
        queue.send(Blob(NativeBlob(b"wrapped"))),
        queue.send(NativeBlob()),  # type: ignore[arg-type]
    ]
    assert [delivery.size for delivery in sent] == [6, 7, 7, 0]
    queue.attach(ws) if waiting else None
    await queue.drain()
    assert await received(id, ws) == [b"native", "between", b"wrapped", b""]


async def test_a_mixed_backlog_keeps_order_and_kind() -> None:
    id = new_id()
    queue = SendQueue()
    expected: list[str | bytes] = []
    for number in range(100):
        text = f"{number}"
        expected += [text, text.encode(), text.encode(), "[object ArrayBuffer]"]
        queue.send(text)
        queue.send(text.encode())
        queue.send(NativeBlob(text.encode()))  # type: ignore[arg-type]
        queue.send("[object ArrayBuffer]")
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(ws)
    await queue.drain()
    assert await received(id, ws) == expected


@pytest.mark.parametrize("full", ["raise", "wait"])
async def test_what_cannot_be_sent_is_a_type_error_and_changes_nothing(
    full: Literal["raise", "wait"],
) -> None:
    id = new_id()
    queue = SendQueue(on_full=full)
    queue.send("before")
    for bad, name in (
        (5, "int"),
        (1.5, "float"),
        (True, "bool"),
        (None, "NoneType"),
        ({"a": 1}, "dict"),
        (["text"], "list"),
        (NativeEvent("open"), "a native Event"),
    ):
        with raises(TypeError, match=f"not {name}:"):
            queue.send(bad)  # type: ignore[arg-type]
        with raises(TypeError, match=f"not {name}:"):
            await queue.put(bad)  # type: ignore[arg-type]
    assert (queue.pending, queue.pending_bytes, queue.stats.accepted) == (1, 6, 1)
    ws = await opened("/ws/sink", id=id)
    queue.attach(ws)
    with raises(TypeError):
        queue.send(5)  # type: ignore[arg-type]
    queue.send("after")
    await queue.drain()
    assert await received(id, ws) == ["before", "after"]


# Bounds


async def test_full_raises_and_says_what_to_do() -> None:
    id = new_id()
    queue = SendQueue(max_pending=2)
    queue.send("a")
    queue.send("bc")
    with raises(QueueFull, match=r"2 with 3 bytes wait.*Send it later, drop it, or use .*'wait'"):
        queue.send("d")
    with raises(QueueFull):
        await queue.put("d")
    assert (list(queue), queue.pending_bytes, queue.stats.accepted) == (["a", "bc"], 3, 2)
    ws = WebSocket(url("/ws/sink", id=id))
    queue.attach(ws)
    await queue.drain()
    queue.send("e")
    assert await received(id, ws) == ["a", "bc", "e"]


async def test_the_bound_in_bytes_is_one_of_utf_8() -> None:
    queue = SendQueue(max_pending_bytes=6)
    queue.send("éé")
    with raises(QueueFull):
        queue.send("日")
    queue.send(b"12")
    queue.send("")
    with raises(QueueFull):
        queue.send("x")
    assert (list(queue), queue.pending_bytes) == (["éé", b"12", ""], 6)


async def test_wait_has_send_raise_and_name_put() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    queue.send("a")
    with raises(QueueFull, match=r"await put\(\), which waits for room"):
        queue.send("b")
    assert list(queue) == ["a"]


async def test_put_waits_for_room_and_goes_on() -> None:
    id = new_id()
    queue = SendQueue(max_pending=2, on_full="wait", max_unconfirmed=3)
    await queue.put("a")
    await queue.put("b")
    third = asyncio.ensure_future(queue.put("c"))
    await turns(3)
    assert (third.done(), queue.pending) == (False, 2)
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(ws)
    await (await third)
    most = 0
    for text in numbers(100):
        await queue.put(text)
        most = max(most, queue.pending)
    assert 0 < most <= 2
    await queue.drain()
    assert await received(id, ws) == ["a", "b", "c", *numbers(100)]


async def test_several_putters_take_turns_and_keep_their_order() -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue = SendQueue(ws, max_pending=2, max_pending_bytes=20, on_full="wait")
    accepted: list[str | bytes] = []

    async def put(name: str) -> None:
        for number in range(20):
            text = f"{name}{number}".ljust(number)
            await queue.put(text)
            accepted.append(text)

    await asyncio.gather(*(put(name) for name in "abc"))
    await queue.drain()
    assert len(accepted) == 60
    assert await received(id, ws) == accepted


async def test_those_that_wait_for_room_get_it_in_the_order_in_which_they_came() -> None:
    queue = SendQueue(max_pending_bytes=4, on_full="wait")
    await queue.put("1234")
    tasks = [asyncio.ensure_future(queue.put(text)) for text in ("abc", "d", "ef")]
    await turns()
    assert queue.clear() == 1
    await until(lambda: tasks[1].done())
    assert list(queue) == ["abc", "d"]
    queue.clear()
    await asyncio.gather(*tasks)
    assert list(queue) == ["ef"]


async def test_a_cancelled_put_has_accepted_nothing_and_others_go_on() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    await queue.put("a")
    tasks = [asyncio.ensure_future(queue.put(text)) for text in "bcd"]
    await turns()
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.gather(*tasks[::2], return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True, False, True]
    assert (list(queue), queue.stats.accepted) == (["a"], 1)
    queue.clear()
    await tasks[1]
    assert (list(queue), queue.stats.accepted) == (["c"], 2)
    check(queue)


async def test_drop_oldest() -> None:
    queue = SendQueue(max_pending=3, max_pending_bytes=10, on_full="drop-oldest")
    with DropLog():
        sent = [queue.send(text) for text in ("a", "b", "c", "d")]
        assert list(queue) == ["b", "c", "d"]
        assert await dropped(sent[0]) == "overflow"
        # As many as it takes.
        await queue.put("123456789")
    assert list(queue) == ["d", "123456789"]
    assert states(sent) == "DDDQ"
    assert queue.stats.dropped == {"overflow": 3}
    assert queue.pending_bytes == 10
    check(queue)


async def test_drop_newest() -> None:
    queue = SendQueue(max_pending=2, max_pending_bytes=10, on_full="drop-newest")
    with DropLog():
        sent = [queue.send(text) for text in ("a", "b", "c")]
        sent.append(await queue.put("d"))
    assert list(queue) == ["a", "b"]
    assert states(sent) == "QQDD"
    assert await dropped(sent[2]) == "overflow"
    assert queue.stats.dropped == {"overflow": 2}
    check(queue)


async def test_a_message_that_is_larger_than_the_bound_in_bytes() -> None:
    queue = SendQueue(max_pending_bytes=3)
    queue.send("a")
    with raises(QueueFull, match="of 4 bytes"):
        queue.send("1234")
    assert list(queue) == ["a"]
    full: Literal["drop-oldest", "drop-newest"]
    for full in ("drop-oldest", "drop-newest"):
        queue = SendQueue(max_pending_bytes=3, on_full=full)
        queue.send("a")
        with DropLog():
            assert await dropped(queue.send("1234")) == "overflow"
        # For one that can never wait, nothing else has to go.
        assert list(queue) == ["a"]
    id = new_id()
    queue = SendQueue(max_pending_bytes=3, on_full="wait")
    queue.send("a")
    task = asyncio.ensure_future(queue.put("1234"))
    await turns()
    assert not task.done()
    ws = WebSocket(url("/ws/sink", id=id))
    queue.attach(ws)
    # It goes when nothing is before it.
    await (await task)
    assert await received(id, ws) == ["a", "1234"]


@pytest.mark.parametrize("full", ["raise", "wait", "drop-oldest", "drop-newest"])
async def test_the_bounds_do_not_apply_to_what_need_not_wait(
    full: Literal["raise", "wait", "drop-oldest", "drop-newest"],
) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(ws, max_pending=0, max_pending_bytes=0, on_full=full)
    for text in numbers(100):
        queue.send(text)
        await queue.put(text.encode())
    expected: list[str | bytes] = []
    for text in numbers(100):
        expected += [text, text.encode()]
    assert queue.stats.dropped == {}
    assert await received(id, ws) == expected


@pytest.mark.parametrize("full", ["raise", "wait", "drop-oldest", "drop-newest"])
async def test_max_pending_0_sends_now_or_not_at_all(
    full: Literal["raise", "wait", "drop-oldest", "drop-newest"],
) -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id))
    queue = SendQueue(ws, max_pending=0, on_full=full)
    expected: list[str | bytes] = []
    if full in ("raise", "wait"):
        with raises(QueueFull):
            queue.send("early")
    else:
        with DropLog():
            assert await dropped(queue.send("early")) == "overflow"
    if full == "wait":
        await queue.put("put early")
        assert ws.readyState == WebSocket.OPEN
        expected.append("put early")
    else:
        await event(ws, "open")
    assert queue.pending == 0
    queue.send("now")
    assert await received(id, ws) == [*expected, "now"]


async def test_none_is_no_bound() -> None:
    queue = SendQueue(max_pending=None, max_pending_bytes=None)
    for _ in range(70_000):
        queue.send("")
    queue.send(bytes(65 * 2**20))
    assert (queue.pending, queue.pending_bytes) == (70_001, 65 * 2**20)
    id = new_id()
    queue = SendQueue(
        await opened("/ws/sink", id=id), max_unconfirmed=None, max_unconfirmed_bytes=None
    )
    for text in numbers(20_000):
        queue.send(text)
    assert (queue.pending, queue.unconfirmed) == (0, 20_000)
    await queue.drain()


async def test_there_are_bounds_by_default() -> None:
    queue = SendQueue()
    for _ in range(2**16):
        queue.send("")
    with raises(QueueFull):
        queue.send("")
    queue = SendQueue()
    queue.send(bytes(2**26))
    with raises(QueueFull):
        queue.send("x")


@pytest.mark.parametrize(
    "bad",
    [
        {"max_pending": -1},
        {"max_pending_bytes": -1},
        {"max_unconfirmed": 0},
        {"max_unconfirmed_bytes": 0},
        {"ttl": -0.5},
        {"on_full": "block"},
        {"in_doubt": "keep"},
    ],
)
async def test_arguments_that_make_no_sense(bad: dict[str, Any]) -> None:
    ((name, value),) = bad.items()
    with raises(ValueError, match=f"{name}={value!r}"):
        SendQueue(**bad)


async def test_a_time_to_live_that_makes_no_sense() -> None:
    queue = SendQueue()
    for bad in (-1, float("nan")):
        with raises(ValueError, match=f"ttl={bad!r}"):
            queue.send("x", ttl=bad)
        with raises(ValueError, match=f"ttl={bad!r}"):
            await queue.put("x", ttl=bad)
    assert (queue.pending, queue.stats.accepted) == (0, 0)


async def test_what_is_no_socket_is_a_type_error_and_changes_nothing() -> None:
    with raises(TypeError):
        SendQueue("ws://host/")
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    queue.send("a")
    for bad in ("ws://host/", 5, object()):
        with raises(TypeError):
            queue.attach(bad)
    assert queue.send("b").state == "SENT"
    assert await received(id, ws) == ["a", "b"]


# Time-to-live


async def test_what_has_waited_for_too_long_is_dropped_without_a_further_call() -> None:
    id = new_id()
    queue = SendQueue()
    kept = queue.send("kept")
    assert await dropped(queue.send("expires", ttl=0.05)) == "expired"
    assert (list(queue), queue.pending_bytes) == (["kept"], 4)
    assert queue.stats.dropped == {"expired": 1}
    ws = WebSocket(url("/ws/sink", id=id))
    queue.attach(ws)
    await kept
    assert await received(id, ws) == ["kept"]


async def test_the_default_and_that_of_one_message() -> None:
    queue = SendQueue(ttl=0.03)
    shorter = queue.send("shorter", ttl=0.01)
    by_default = queue.send("by default")
    longer = queue.send("longer", ttl=60)
    with DropLog():
        assert await dropped(by_default) == "expired"
    assert states([longer, shorter]) == "QD"


async def test_one_that_expires_earlier_than_those_before_it() -> None:
    """Without a further call, and with nothing else going on."""
    queue = SendQueue()
    for earlier in (float("inf"), 60):
        queue.send("long", ttl=earlier)
    async with asyncio.timeout(3):
        assert await dropped(queue.send("short", ttl=0.05)) == "expired"


async def test_what_has_expired_is_not_sent_even_if_no_timer_could_run() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue()
    late = queue.send("late", ttl=0.01)
    queue.send("kept")
    until_then = time.monotonic() + 0.02
    while time.monotonic() < until_then:
        pass
    with DropLog():
        queue.attach(ws)
    assert late.reason == "expired"
    assert await received(id, ws) == ["kept"]


async def test_what_is_sent_in_time_does_not_expire() -> None:
    queue = SendQueue(await opened(), ttl=0.05)
    delivery = queue.send("x")
    over = time.monotonic() + 0.1
    await until(lambda: time.monotonic() > over)
    assert (delivery.state, delivery.reason) == ("CONFIRMED", "left the page")
    assert queue.stats.dropped == {}


async def test_ttl_0_is_sent_now_or_not_at_all() -> None:
    id = new_id()
    queue = SendQueue(ttl=0)
    with DropLog():
        assert await dropped(queue.send("none")) == "expired"
    ws = await opened("/ws/sink", id=id)
    queue.attach(ws)
    with DropLog():
        assert queue.send("now").state == "SENT"
    assert await received(id, ws) == ["now"]


async def test_it_counts_while_a_message_is_in_doubt_too() -> None:
    queue = SendQueue(ttl=0.05)
    queue.attach(await opened("/ws/stall"))
    delivery = queue.send("x")
    queue.detach()
    assert (delivery.state, queue.pending) == ("SENT", 1)
    assert await dropped(delivery) == "expired"


async def test_what_expires_makes_room_for_those_that_wait() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    with DropLog():
        await queue.put("a", ttl=0.05)
        await queue.put("b")
    assert list(queue) == ["b"]
    # send() looks before it raises.
    queue = SendQueue(max_pending=1)
    with DropLog():
        queue.send("a", ttl=0)
        queue.send("b")
    assert list(queue) == ["b"]


# What it tells


async def test_pending_unconfirmed_and_iteration() -> None:
    ws = WebSocket(url("/ws/echo"))
    queue = SendQueue(ws, max_unconfirmed=2)
    assert (queue.pending, queue.pending_bytes, queue.unconfirmed, list(queue)) == (0, 0, 0, [])
    for data in ("é", b"123", bytearray(b"4"), ""):
        queue.send(data)
    assert (queue.pending, queue.pending_bytes, queue.unconfirmed) == (4, 6, 0)
    assert list(queue) == ["é", b"123", b"4", ""]
    ws.onopen = lambda _: seen.extend((queue.pending, queue.pending_bytes, queue.unconfirmed))
    seen: list[int] = []
    await until(lambda: seen)
    assert seen == [2, 1, 2]
    await queue.drain()
    assert (queue.pending, queue.pending_bytes, queue.unconfirmed) == (0, 0, 0)


async def test_a_queue_may_change_while_it_is_iterated_over() -> None:
    queue = SendQueue()
    for text in numbers(3):
        queue.send(text)
    for text in queue:
        queue.send(f"{text} again")
    assert queue.pending == 6


async def test_clear_drops_what_waits_and_nothing_else() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws, max_unconfirmed=1)
    sent = [queue.send(text) for text in numbers(4)]
    assert queue.clear() == 3
    assert (queue.pending, queue.pending_bytes, queue.unconfirmed) == (0, 0, 1)
    await sent[0]
    assert [await dropped(delivery) for delivery in sent[1:]] == ["cleared"] * 3
    assert queue.clear() == 0
    queue.send("still works")
    check(queue)
    await queue.drain()
    assert await received(id, ws) == ["0", "still works"]


async def test_drain_waits_until_nothing_waits_or_is_in_doubt() -> None:
    queue = SendQueue()
    await queue.drain()
    queue.send("x")
    tasks = [asyncio.ensure_future(queue.drain()) for _ in range(3)]
    await turns()
    assert not any(task.done() for task in tasks)
    tasks[0].cancel()
    ws = WebSocket(url("/ws/echo"))
    queue.attach(ws)
    await asyncio.gather(*tasks[1:])
    assert (queue.pending, queue.unconfirmed, ws.bufferedAmount) == (0, 0, 0)
    queue.detach()
    queue.send("y")
    task = asyncio.ensure_future(queue.drain())
    await turns()
    assert not task.done()
    queue.clear()
    await task


async def test_close_accepts_no_more_and_drops_what_waits() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws, max_unconfirmed=1)
    sent, waits = queue.send("sent"), queue.send("waits")
    with DropLog():
        queue.close()
    assert await dropped(waits) == "closed"
    with raises(QueueClosed, match="closed"):
        queue.send("late")
    with raises(QueueClosed):
        await queue.put("late")
    queue.close()
    # What was sent already is still confirmed, and the socket is left as it is.
    await sent
    assert ws.readyState == WebSocket.OPEN
    await queue.drain()
    check(queue)
    assert await received(id, ws) == ["sent"]


async def test_close_drops_what_was_sent_when_it_would_have_to_be_sent_again() -> None:
    queue = SendQueue(await opened())
    sent = queue.send("x")
    queue.close()
    assert sent.state == "SENT"
    with DropLog():
        queue.detach()
    assert await dropped(sent) == "closed"
    check(queue)


async def test_close_ends_the_wait_for_room() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    await queue.put("a")
    tasks = [asyncio.ensure_future(queue.put(text)) for text in "bc"]
    await turns()
    with DropLog():
        queue.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [QueueClosed] * 2
    assert queue.stats.accepted == 1


async def test_put_does_not_wait_for_room_in_a_closed_queue() -> None:
    queue = SendQueue(max_pending_bytes=1, on_full="wait")
    queue.close()
    with raises(QueueClosed):
        async with asyncio.timeout(2):
            await queue.put("more than would ever fit")


async def test_put_does_not_wait_before_it_refuses_its_arguments() -> None:
    queue = SendQueue(max_pending=0, on_full="wait")
    with raises(ValueError, match="ttl=-1"):
        async with asyncio.timeout(2):
            await queue.put("x", ttl=-1)


async def test_the_stats_add_up() -> None:
    ws = WebSocket(url("/ws/sink", ack=0))
    queue = SendQueue(ws, max_pending=10, on_full="drop-oldest", max_unconfirmed=4)
    stats = queue.stats
    with DropLog():
        for text in numbers(13):
            queue.send(text)
            check(queue)
        queue.send("short", ttl=0)
        await queue.drain()
        check(queue)
        queue.detach()
        queue.send("cleared")
        queue.clear()
        check(queue)
        queue.attach(ws)
        for text in numbers(6):
            queue.send(text)
            check(queue)
        queue.detach()  # four of them are in doubt
        check(queue)
        queue.attach(ws)
        await queue.drain()
        queue.detach()
        queue.send("closed")
        queue.close()
        check(queue)
    assert stats.accepted == 0, "a copy"
    stats = queue.stats
    assert (stats.accepted, stats.sent, stats.resent, stats.confirmed) == (22, 19, 4, 15)
    assert stats.dropped == {"overflow": 4, "expired": 1, "cleared": 1, "closed": 1}


# Deliveries


async def test_a_delivery_goes_from_queued_to_sent_to_confirmed() -> None:
    ws = WebSocket(url("/ws/echo"))
    queue = SendQueue(ws)
    delivery = queue.send("é")
    seen: list[tuple[str, object]] = [(delivery.state, delivery.reason)]
    ws.onopen = lambda _: seen.append((delivery.state, delivery.reason))
    await delivery
    seen.append((delivery.state, delivery.reason))
    assert seen == [("QUEUED", None), ("SENT", None), ("CONFIRMED", "left the page")]
    assert delivery.state is DeliveryState.CONFIRMED
    assert (delivery.message, delivery.size) == ("é", 2)
    assert repr(delivery) == "<Delivery of 2 bytes CONFIRMED (left the page)>"


async def test_confirmed_means_that_the_browser_has_it_no_more() -> None:
    ws = await opened("/ws/sink", ack=0)
    queue = SendQueue(ws)
    for number in range(10):
        delivery = queue.send(bytes(BIG + number))
        assert ws.bufferedAmount >= BIG
        await delivery
        assert ws.bufferedAmount == 0


async def test_empty_messages_are_confirmed_too() -> None:
    ws = await opened("/ws/sink", ack=0)
    queue = SendQueue(ws)
    for data in ("", b"", "x", ""):
        await queue.send(data)
    await asyncio.gather(*(queue.send(data) for data in ("", "x", b"", "")))


async def test_it_can_be_awaited_by_many_before_and_after() -> None:
    queue = SendQueue()
    good, bad = queue.send("good"), queue.send("bad", ttl=0)

    async def wait(delivery: Delivery) -> str:
        try:
            await delivery
        except MessageDropped as error:
            return error.reason
        return "confirmed"

    tasks = [asyncio.ensure_future(wait(each)) for each in (good, bad, good, bad)]
    await turns()
    queue.attach(await opened())
    assert await asyncio.gather(*tasks) == ["confirmed", "expired"] * 2
    for _ in range(3):
        assert (await wait(good), await wait(bad)) == ("confirmed", "expired")


async def test_cancelling_one_that_awaits_takes_nothing_back() -> None:
    id = new_id()
    queue = SendQueue()
    delivery = queue.send("x")

    async def wait() -> None:
        await delivery

    tasks = [asyncio.ensure_future(wait()) for _ in range(3)]
    await turns()
    tasks[1].cancel()
    with raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await delivery
    ws = WebSocket(url("/ws/sink", id=id))
    queue.attach(ws)
    await asyncio.gather(tasks[0], tasks[2])
    assert tasks[1].cancelled()
    assert delivery.state == "CONFIRMED"
    assert await received(id, ws) == ["x"]


async def test_nobody_has_to_await_it() -> None:
    """Nothing on the console, and nothing in the event loop's exception handler."""
    queue = SendQueue(await opened())
    with DropLog() as log:
        for text in numbers(100):
            queue.send(text)
        await queue.drain()
        queue.detach()
        queue.send("cleared on purpose")
        queue.clear()
        gc.collect()
        await turns()
    assert log.lines == []


async def test_what_is_dropped_and_not_awaited_is_logged_once() -> None:
    queue = SendQueue(max_pending=1, on_full="drop-oldest")
    with DropLog() as log:
        for text in numbers(10):
            queue.send(text)
    (line,) = log.lines
    assert line.startswith("WARNING a message of 1 bytes was dropped (overflow)")
    assert queue.stats.dropped == {"overflow": 9}


async def test_what_is_logged_may_be_sent_over_the_queue_itself() -> None:
    """As a logging handler does that reports to a server."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            queue.send(record.levelname)

    handler = Handler()
    with DropLog():
        logging.getLogger("readystate").addHandler(handler)
        try:
            queue = SendQueue()
            deliveries = [queue.send(text, ttl=0.01) for text in numbers(3)]
            queue.send("kept")
            await until(lambda: deliveries[0].state == "DROPPED")
            await turns()
        finally:
            logging.getLogger("readystate").removeHandler(handler)
    assert states(deliveries) == "DDD"
    assert sorted(queue) == ["WARNING", "kept"]
    assert queue.stats.dropped == {"expired": 3}
    check(queue)


async def test_those_who_give_up_waiting_leave_nothing_behind() -> None:
    def futures() -> int:
        gc.collect()
        return sum(isinstance(thing, asyncio.Future) for thing in gc.get_objects())

    queue = SendQueue(max_pending=1, on_full="wait")
    delivery = queue.send("x")

    async def wait() -> None:
        await delivery

    before = futures()
    for _ in range(50):
        tasks: list[asyncio.Task[Any]] = [
            asyncio.ensure_future(queue.put("y")),
            asyncio.ensure_future(queue.drain()),
            asyncio.ensure_future(wait()),
        ]
        await turns(3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    del tasks, task
    assert futures() - before < 50


# One socket after the other


async def test_a_lost_connection_and_the_next_one() -> None:
    """The server resets TCP in the midst of a burst."""
    id = new_id()
    ws = WebSocket(url("/ws/drop", after=3))
    queue = SendQueue(ws)
    deliveries = [queue.send(big(number)) for number in range(MANY)]
    await event(ws, "close")
    left = states(deliveries).count("C")
    # What has left is the beginning of it; the rest is kept.
    assert states(deliveries) == "C" * left + "S" * (MANY - left)
    assert left < MANY
    assert list(queue) == [delivery.message for delivery in deliveries[left:]]
    deliveries.append(queue.send("while there is none"))
    again = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(again)
    deliveries.append(queue.send("the last"))
    expected = [delivery.size for delivery in deliveries[left:]]
    await queue.drain()
    assert await sizes(id, len(expected)) == expected
    assert states(deliveries) == "C" * (MANY + 2)
    assert queue.stats.resent == MANY - left
    check(queue)


async def test_what_a_slow_server_has_not_taken_goes_first_over_the_next_socket() -> None:
    id = new_id()
    ws = await opened("/ws/sink", ack=0, rate=SLOW)
    queue = SendQueue(ws)
    deliveries = [queue.send(big(number)) for number in range(MANY)]
    await deliveries[0]
    again = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(again)
    left = states(deliveries).count("C")
    assert 0 < left < MANY
    assert states(deliveries) == "C" * left + "S" * (MANY - left)
    assert (queue.pending, queue.unconfirmed) == (MANY - left, 0)
    deliveries.append(queue.send("new"))
    await queue.drain()
    expected = [delivery.size for delivery in deliveries[left:]]
    assert await sizes(id, len(expected)) == expected
    assert queue.stats.resent == MANY - left
    ws.close()


async def test_in_doubt_drop() -> None:
    id = new_id()
    ws = await opened("/ws/sink", ack=0, rate=SLOW)
    queue = SendQueue(ws, in_doubt="drop", max_unconfirmed=40)
    await queue.send("has left")
    # In the turn in which it is sent, nothing can leave.
    deliveries = [queue.send(big(number)) for number in range(MANY)]
    again = WebSocket(url("/ws/sink", id=id, ack=0))
    with DropLog() as log:
        queue.attach(again)
    left, lost = states(deliveries).count("C"), states(deliveries).count("D")
    assert lost > 0
    # What only waited is not in doubt.
    assert states(deliveries) == "C" * left + "D" * lost + "Q" * (MANY - left - lost)
    assert await dropped(deliveries[left]) == "in doubt"
    assert queue.stats.dropped == {"in doubt": lost}
    assert "in doubt" in log.lines[0]
    assert queue.pending == MANY - left - lost > 0
    await queue.drain()
    expected = [delivery.size for delivery in deliveries[left + lost :]]
    assert await sizes(id, len(expected)) == expected
    assert queue.stats.resent == 0
    check(queue)
    ws.close()


@pytest.mark.parametrize("registered", ["before", "after"])
async def test_attach_in_a_close_handler(registered: str) -> None:
    first, second = new_id(), new_id()
    sockets: list[WebSocket] = []

    def on_close(_: object) -> None:
        sockets.append(WebSocket(url("/ws/sink", id=second)))
        queue.attach(sockets[0])

    ws = WebSocket(url("/ws/sink", id=first))
    if registered == "before":
        ws.onclose = on_close
    queue = SendQueue(ws)
    ws.onclose = on_close
    await queue.send("a")
    ws.close()
    queue.send("b")
    await until(lambda: sockets)
    await queue.drain()
    assert await received(second, sockets[0]) == ["b"]
    (connection,) = await journal(first, closed=1)
    assert contents(connection) == ["a"]


@pytest.mark.parametrize("registered", ["before", "after"])
async def test_a_clean_close_leaves_no_doubt(registered: str) -> None:
    """close() is called right after send(), and the next socket attached in the close handler."""
    first, second = new_id(), new_id()
    sockets: list[WebSocket] = []

    def on_close(_: object) -> None:
        sockets.append(WebSocket(url("/ws/sink", id=second)))
        queue.attach(sockets[0])

    ws = WebSocket(url("/ws/sink", id=first))
    if registered == "before":
        ws.onclose = on_close
    queue = SendQueue(ws)
    ws.onclose = on_close
    await event(ws, "open")
    delivery = queue.send("a")
    ws.close()
    queue.send("b")
    await until(lambda: sockets)
    await queue.drain()
    (connection,) = await journal(first, closed=1)
    assert contents(connection) == ["a"]
    assert delivery.reason == "left the page"
    assert await received(second, sockets[0]) == ["b"]


async def test_all_that_was_sent_before_a_clean_close_is_confirmed() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(ws)
    deliveries = [queue.send(text) for text in numbers(100)]
    assert await received(id, ws) == numbers(100)
    await asyncio.gather(*deliveries)
    assert {delivery.reason for delivery in deliveries} == {"left the page"}


async def test_detach_leaves_the_socket_as_it_is() -> None:
    first, second = new_id(), new_id()
    ws = await opened("/ws/echo", id=first)
    queue = SendQueue(ws)
    await queue.send("a")
    queue.detach()
    queue.detach()
    delivery = queue.send("b")
    assert (delivery.state, ws.bufferedAmount, ws.readyState) == ("QUEUED", 0, WebSocket.OPEN)
    ws.send("its own")
    assert await received(first, ws) == ["a", "its own"]
    assert list(queue) == ["b"]
    again = await opened("/ws/sink", id=second)
    queue.attach(again)
    await delivery
    assert await received(second, again) == ["b"]


async def test_a_socket_that_was_let_go_of_matters_no_more() -> None:
    """Neither its open event, nor its close event."""
    first, second = new_id(), new_id()
    slow = WebSocket(url("/ws/sink", id=first, delay=0.1))
    is_open = event(slow, "open")
    queue = SendQueue(slow)
    queue.send("a")
    ws = WebSocket(url("/ws/sink", id=second))
    queue.attach(ws)
    await queue.drain()
    queue.send("b")
    await is_open
    queue.send("c")
    assert await received(first, slow) == []
    assert queue.send("d").state == "SENT"
    assert await received(second, ws) == ["a", "b", "c", "d"]
    assert queue.stats.resent == 0


async def test_attaching_the_socket_that_it_has_already_sends_nothing_twice() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    queue.send("a")
    queue.attach(ws)
    queue.attach(ws.js_websocket)
    await queue.drain()
    assert await received(id, ws) == ["a"]


async def test_a_socket_that_refuses_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and the message is in doubt."""

    def refuse(native: object, data: object) -> None:
        raise NativeError("no room")

    id = new_id()
    ws = await opened("/ws/sink")
    queue = SendQueue(ws)
    with monkeypatch.context() as patched:
        patched.setattr(NativeWebSocket, "send", refuse)
        delivery = queue.send("{")
    assert ws.readyState == WebSocket.CLOSING
    (context,) = reported
    reported.clear()
    assert "refused to send" in context["message"]
    queue.send("next")
    await event(ws, "close")
    assert list(queue) == ["{", "next"]
    assert delivery.state == "SENT"
    again = WebSocket(url("/ws/sink", id=id))
    queue.attach(again)
    await queue.drain()
    assert await received(id, again) == ["{", "next"]


async def test_a_close_event_that_somebody_has_made_is_no_end() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    ws.dispatchEvent(NativeEvent("close"))
    ws.dispatchEvent(NativeCloseEvent("close", 1000, "", was_clean=True))
    assert queue.send("x").state == "SENT"
    assert await received(id, ws) == ["x"]


async def test_through_many_sockets_nothing_is_lost_or_reordered() -> None:
    """Each is let go of while it has something in its buffer; all of them deliver it in the end."""
    id = new_id()
    queue = SendQueue(max_unconfirmed=5)
    deliveries = []
    sockets = []
    for turn in range(5):
        deliveries += [queue.send(f"{turn} {number}") for number in range(20)]
        ws = WebSocket(url("/ws/sink", id=id, ack=0))
        sockets.append(ws)
        queue.attach(ws)
        await event(ws, "open")
    await queue.drain()
    await asyncio.gather(*(closed(ws) for ws in sockets))
    seen: list[str | bytes] = []
    for connection in await journal(id, closed=5):
        texts = contents(connection)
        # In order; what is sent again is what the one before had sent last.
        begin = seen.index(texts[0]) if texts and texts[0] in seen else len(seen)
        seen[begin:] = texts
    assert seen == [delivery.message for delivery in deliveries]


# Much


async def test_10_000_messages_that_waited() -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue = SendQueue(ws)
    for text in numbers(10_000):
        queue.send(text)
    await queue.drain()
    assert await received(id, ws) == numbers(10_000)
    assert queue.stats.confirmed == 10_000


async def test_10_000_messages_through_small_windows() -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue = SendQueue(ws, max_unconfirmed=2000, max_unconfirmed_bytes=5000)
    for text in numbers(10_000):
        queue.send(text)
    await queue.drain()
    assert await received(id, ws) == numbers(10_000)


async def test_what_the_browser_holds_for_a_slow_server_is_bounded() -> None:
    ws = await opened("/ws/sink", ack=0, rate=6 * SLOW)
    queue = SendQueue(ws, max_unconfirmed_bytes=2**20)
    most = 0
    for _ in range(96):
        queue.send(bytes(2**17))
    while queue.pending:
        most = max(most, ws.bufferedAmount)
        await asyncio.sleep(0)
    assert 2**19 < most <= 2**20
    await queue.drain()
    assert ws.bufferedAmount == 0


async def test_what_a_slow_server_is_put_takes_no_more_memory_than_the_bounds() -> None:
    ws = await opened("/ws/sink", ack=0, rate=6 * SLOW)
    queue = SendQueue(ws, max_unconfirmed_bytes=2**20, max_pending_bytes=2**19, on_full="wait")
    most = 0
    for _ in range(96):
        await queue.put(bytes(2**17))
        most = max(most, queue.pending_bytes + ws.bufferedAmount)
    assert 2**20 < most <= 2**20 + 2**19
    await queue.drain()


async def test_one_message_may_be_larger_than_the_window() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(ws, max_unconfirmed_bytes=1)
    deliveries = [queue.send(text) for text in ("abc", "", "defg")]
    assert states(deliveries)[0] == "S"
    await queue.drain()
    assert await received(id, ws) == ["abc", "", "defg"]


# What is left


async def test_the_python_objects_go_too() -> None:
    async def use() -> list[weakref.ref[Any]]:
        ws = await opened()
        queue = SendQueue(ws)
        deliveries = [queue.send("a"), queue.send("b")]
        await queue.drain()
        await closed(ws)
        await all_delivered(ws)
        deliveries.append(queue.send("left over"))
        return [weakref.ref(thing) for thing in (ws, queue, *deliveries)]

    references = await use()
    await turns()
    gc.collect()
    assert [reference() for reference in references] == [None] * 5


async def test_a_queue_that_is_detached_goes_though_its_socket_lives() -> None:
    ws = await opened()

    async def use() -> weakref.ref[SendQueue]:
        queue = SendQueue(ws)
        await queue.send("a")
        queue.detach()
        return weakref.ref(queue)

    reference = await use()
    await turns()
    gc.collect()
    assert reference() is None


async def test_a_time_to_live_does_not_keep_a_queue_that_has_sent_all() -> None:
    async def use() -> weakref.ref[SendQueue]:
        ws = WebSocket(url("/ws/echo"))
        queue = SendQueue(ws, ttl=3600)
        await queue.send("a")
        await closed(ws)
        await all_delivered(ws)
        return weakref.ref(queue)

    reference = await use()
    await turns()
    gc.collect()
    assert reference() is None


# The queue of docs/guides/queues.md in ten lines


async def test_it_does_what_ten_lines_do() -> None:
    ids = [new_id(), new_id()]
    ws, other = (WebSocket(url("/ws/echo", id=id)) for id in ids)
    waiting = []

    def safe_send(message: Any) -> None:
        if ws.readyState == WebSocket.OPEN:
            ws.send(message)
        else:
            waiting.append(message)

    def flush(event: object) -> None:
        while waiting:
            ws.send(waiting.pop(0))

    ws.onopen = flush
    queue = SendQueue(other)
    replies: list[list[object]] = [[], []]
    for socket, into in ((ws, replies[0]), (other, replies[1])):
        socket.binaryType = "arraybuffer"
        socket.onmessage = lambda event, into=into: into.append(event.data)
    messages: list[Any] = ["a", b"b", "", "c\0d", "é", "😀", *numbers(20), bytes(BIG), "z"]
    for send in (safe_send, queue.send):
        for message in messages:
            send(message)
    assert waiting == list(queue) == messages
    await until(lambda: ws.readyState == other.readyState == WebSocket.OPEN)
    await until(lambda: not waiting and not queue.pending)
    for send in (safe_send, queue.send):
        for message in messages:
            send(message)
    assert waiting == list(queue) == []
    await until(lambda: all(len(each) == 2 * len(messages) for each in replies))
    assert replies[0] == replies[1] == messages * 2
    assert await received(ids[0], ws) == await received(ids[1], other) == messages * 2
    for send in (safe_send, queue.send):
        send("too late")
    assert waiting == list(queue) == ["too late"]


async def test_room_that_comes_of_a_time_to_live_is_for_those_who_wait_for_it() -> None:
    """Also if it is a send() that finds out first."""
    queue = SendQueue(max_pending=2, on_full="wait")
    with DropLog():
        queue.send("a", ttl=0.01)
        queue.send("b", ttl=0.01)
        putting = asyncio.ensure_future(queue.put("c"))
        await asyncio.sleep(0)
        begin = time.monotonic()
        while time.monotonic() - begin < 0.02:  # a thread that is busy
            pass
        queue.send("d")
        await putting
    assert list(queue) == ["d", "c"]
