"""SendQueue."""

from __future__ import annotations

import array
import asyncio
import base64
import gc
import logging
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from readystate import Blob, Delivery, MessageDropped, QueueClosed, QueueFull, SendQueue, WebSocket
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

from .conftest import taken, the_one

BIG = 2**16
# More than TCP and the browser keep for a server that reads slowly: the rest stays in the page.
MANY = 160
SLOW = 3 * 2**20


def contents(connection: dict[str, Any]) -> list[str | bytes]:
    """What the server received on a connection: text as ``str``, binary as ``bytes``."""
    return [
        message["data"] if message["kind"] == "text" else base64.b64decode(message["data"])
        for message in connection["messages"]
    ]


async def received(id: str, ws: WebSocket) -> list[str | bytes]:
    """What the server received on the one connection with ``id``, once that is closed."""
    await closed(ws)
    return contents(await the_one(id))


async def sizes(id: str, count: int) -> list[int]:
    """How long the messages were that the server received on the one connection with ``id``."""
    (connection,) = await journal(id, messages=count, timeout=25)
    return [message["size"] for message in connection["messages"]]


def numbers(count: int) -> list[str]:
    return [f"{number}" for number in range(count)]


def send_all(queue: SendQueue, messages: Any) -> list[Delivery]:
    return [queue.send(message) for message in messages]


def big(count: int) -> list[str]:
    """Long texts that are known by their lengths."""
    return ["x" * (BIG + number) for number in range(count)]


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


def busy(seconds: float) -> None:
    """A thread in which no timer can run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


# Any state of the socket


@pytest.mark.parametrize("over", ["a WebSocket", "a native one", "none at first"])
async def test_what_is_sent_while_connecting_goes_out_on_open_in_order(id: str, over: str) -> None:
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    if over == "none at first":
        queue = SendQueue()
        queue.send("first")
        queue.attach(ws)
    else:
        queue = SendQueue(ws if over == "a WebSocket" else ws.js_websocket)
        queue.send("first")
    send_all(queue, numbers(30))
    assert ws.readyState == WebSocket.CONNECTING
    assert (queue.pending, ws.bufferedAmount) == (31, 0)
    await queue.drain()
    assert await received(id, ws) == ["first", *numbers(30)]


async def test_over_an_open_socket_it_is_sent_in_the_same_call(id: str) -> None:
    queue = SendQueue(max_unconfirmed=21)
    send_all(queue, numbers(20))
    ws = await opened("/ws/sink", id=id)
    queue.attach(ws)
    assert (queue.pending, queue.unconfirmed) == (0, 20)
    before = ws.bufferedAmount
    deliveries = send_all(queue, ["hello", "waits its turn", "too"])
    assert ws.bufferedAmount == before + 5 > 5
    assert states(deliveries) == "SQQ"
    assert list(queue) == ["waits its turn", "too"]
    await queue.drain()
    assert await received(id, ws) == [*numbers(20), "hello", "waits its turn", "too"]


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


async def test_closing_and_closed_accept_too_and_keep(id: str) -> None:
    first = new_id()
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
    queue.attach(ws)  # which is closed already
    in_closed = queue.send("closed")
    await turns()
    assert states([in_closing, in_closed]) == "QQ"
    assert list(queue) == ["closing", "closed"]
    # Had they been given to the socket, they would be lost, and this would have grown.
    assert ws.bufferedAmount == 0
    again = WebSocket(url("/ws/sink", id=id))
    queue.attach(again)
    await queue.drain()
    assert await received(id, again) == ["closing", "closed"]
    assert contents(await the_one(first)) == ["open"]


# Order


@pytest.mark.parametrize("window", [2**14, 3])
@pytest.mark.parametrize("how", ["constructor", "onopen", "listener", "late onopen"])
async def test_what_an_open_handler_sends_comes_after_the_backlog(
    id: str, how: str, window: int
) -> None:
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
    send_all(queue, numbers(20))
    await until(lambda: from_handler)
    queue.send("after")
    await queue.drain()
    assert await received(id, ws) == [*numbers(20), "from the handler", "after"]


async def test_what_a_message_handler_sends_meanwhile_comes_after_the_backlog(id: str) -> None:
    accepted = numbers(100)
    waited: list[int] = []

    def on_message(event: Any) -> None:
        if len(waited) < 10:
            more = [f"{number} to {event.data}" for number in range(5)]
            accepted.extend(more)
            send_all(queue, more)
            waited.append(queue.pending)

    ws = WebSocket(url("/ws/echo", id=id), onmessage=on_message)
    queue = SendQueue(ws, max_unconfirmed=4)
    send_all(queue, numbers(100))
    await until(lambda: len(waited) == 10)
    await queue.drain()
    assert all(waited)
    assert await received(id, ws) == accepted


# Kinds of messages


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_message_is_what_it_was_when_it_was_accepted(id: str, waiting: bool) -> None:
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    changing = bytearray(b"before")
    integers = array.array("i", [1, -2])
    strided = memoryview(bytearray(range(8)))[::2]
    texts = [
        "", "a", "é", "日本語", "😀", "\0", "a\0b", "\0\0", "", "\r\n", "\ufeff", "\uffff",
        "\ud83d", "\ude00", "a\ud800b", "\ud83d\ude00", "\udc00\ud800", "x" * BIG, "é" * BIG, "",
        "[object ArrayBuffer]",
    ]  # fmt: skip
    received_as = [
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts
    ]
    cases: list[tuple[Any, str | bytes]] = [
        *zip(texts, received_as, strict=True),
        (b"bytes", b"bytes"),
        (b"", b""),
        (changing, b"before"),
        (memoryview(changing)[1:3], b"ef"),
        (strided, bytes((0, 2, 4, 6))),
        (integers, array.array("i", [1, -2]).tobytes()),
        (memoryview(bytes(range(12))).cast("B", (3, 4)), bytes(range(12))),
        (NativeBuffer(b"abcdef"), b"abcdef"),
        (NativeBlob(b"native"), b"native"),
        ("between", "between"),
        (Blob(NativeBlob(b"wrapped")), b"wrapped"),
        (NativeBlob(), b""),
    ]
    sent = send_all(queue, [data for data, _ in cases])
    with raises(TypeError):
        queue.send(5)  # type: ignore[arg-type]
    with raises(TypeError):
        await queue.put(5)  # type: ignore[arg-type]
    assert queue.stats.accepted == len(cases)
    strided[0] = 99
    integers[0] = 7
    changing[:] = b"after!"
    if waiting:
        queue.attach(ws)
    await queue.drain()
    assert await received(id, ws) == [expected for _, expected in cases]
    # In bytes, as bufferedAmount counts.
    assert [delivery.size for delivery in sent] == [
        len(expected.encode() if isinstance(expected, str) else expected) for _, expected in cases
    ]
    assert sent[len(texts) + 2].message == b"before"


async def test_a_bytearray_may_change_its_size_while_its_message_waits() -> None:
    data = bytearray(BIG)
    delivery = SendQueue().send(data)
    data.clear()  # BufferError, if anything held on to it
    assert len(delivery.message) == BIG


@pytest.mark.parametrize("count", [15, 16, 17, 300])
async def test_a_backlog_of_any_length_keeps_order_and_kind(id: str, count: int) -> None:
    messages: list[Any] = [
        *numbers(count),
        *(f"{number}\0" for number in range(count)),
        *["\0", ""] * count,
        *(each for text in numbers(count) for each in (text, text.encode())),
    ]
    queue = SendQueue()
    send_all(queue, messages)
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(ws)
    await queue.drain()
    assert await received(id, ws) == messages


# Bounds


async def test_put_waits_for_room_and_goes_on(id: str) -> None:
    queue = SendQueue(max_pending=2, max_pending_bytes=3, on_full="wait", max_unconfirmed=3)
    await queue.put("a")
    await queue.put("b")
    # It is larger than the bound, and goes when nothing is before it.
    third = asyncio.ensure_future(queue.put("1234"))
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
    assert await received(id, ws) == ["a", "b", "1234", *numbers(100)]


async def test_those_that_wait_for_room_get_it_in_the_order_in_which_they_came() -> None:
    """What is small does not overtake what is not."""
    queue = SendQueue(max_pending_bytes=4, on_full="wait")
    await queue.put("12", ttl=0.01)
    await queue.put("34")
    tasks = [asyncio.ensure_future(queue.put(text)) for text in ("abc", "d", "ef")]
    await until(lambda: queue.pending == 1)
    await turns()
    assert list(queue) == ["34"]
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
    assert queue.stats.dropped == {"cleared": 1}
    check(queue)


@pytest.mark.parametrize("full", ["raise", "wait", "drop-oldest", "drop-newest"])
async def test_max_pending_0_sends_now_or_not_at_all(id: str, full: Any) -> None:
    ws = WebSocket(url("/ws/sink", id=id))
    queue = SendQueue(ws, max_pending=0, max_pending_bytes=0, on_full=full)
    expected: list[str | bytes] = []
    if full in ("raise", "wait"):
        with raises(QueueFull):
            queue.send("early")
    else:
        assert await dropped(queue.send("early")) == "overflow"
    if full == "wait":
        await queue.put("put early")
        assert ws.readyState == WebSocket.OPEN
        expected.append("put early")
    else:
        await event(ws, "open")
    assert queue.pending == 0
    for text in numbers(100):
        queue.send(text)
        await queue.put(text.encode())
        expected += [text, text.encode()]
    assert await received(id, ws) == expected


async def test_there_are_bounds_unless_none_is_asked_for() -> None:
    queue = SendQueue()
    send_all(queue, [""] * 2**16)
    with raises(QueueFull):
        queue.send("")
    queue = SendQueue()
    queue.send(bytes(2**26))
    with raises(QueueFull):
        queue.send("x")
    ws = await opened("/ws/sink")
    queue = SendQueue(
        max_pending=None, max_pending_bytes=None, max_unconfirmed=None, max_unconfirmed_bytes=None
    )
    send_all(queue, [""] * 70_000)
    queue.send(bytes(65 * 2**20))
    assert (queue.pending, queue.pending_bytes) == (70_001, 65 * 2**20)
    queue.attach(ws)
    assert (queue.pending, queue.unconfirmed) == (0, 70_001)


async def test_a_wrong_argument_is_refused_at_once_and_changes_nothing(id: str) -> None:
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws, max_pending=0, on_full="wait")
    queue.send("a")
    for bad in ("ws://host/", 5, object()):
        with raises(TypeError):
            queue.attach(bad)
    assert queue.send("b").state == "SENT"
    for ttl in (-1, float("nan")):
        with raises(ValueError, match=f"ttl={ttl!r}"):
            queue.send("x", ttl=ttl)
    queue.detach()
    with raises(ValueError, match="ttl=-1"):
        async with asyncio.timeout(2):
            await queue.put("waits for room", ttl=-1)
    assert await received(id, ws) == ["a", "b"]
    assert queue.stats.accepted == 2


# Time-to-live


async def test_what_has_waited_for_too_long_is_dropped_without_a_further_call() -> None:
    queue = SendQueue(ttl=0.03)
    kept = [queue.send("kept", ttl=ttl) for ttl in (float("inf"), 60)]
    shorter, by_default = queue.send("shorter", ttl=0.01), queue.send("by default")
    # They expire earlier than those before them, with nothing else going on.
    async with asyncio.timeout(3):
        assert await dropped(by_default) == "expired"
    assert states([*kept, shorter]) == "QQD"
    assert (list(queue), queue.pending_bytes) == (["kept"] * 2, 8)
    assert queue.stats.dropped == {"expired": 2}


async def test_what_has_expired_is_not_sent_even_if_no_timer_could_run(id: str) -> None:
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ttl=0.01)
    late = queue.send("late")
    queue.send("kept", ttl=60)
    busy(0.02)
    queue.attach(ws)
    assert late.reason == "expired"
    # What was sent in time does not expire.
    sent = queue.send("sent")
    busy(0.02)
    await sent
    assert sent.reason == "left the page"
    assert await received(id, ws) == ["kept", "sent"]


async def test_ttl_0_is_sent_now_or_not_at_all(id: str) -> None:
    queue = SendQueue(ttl=0)
    assert await dropped(queue.send("none")) == "expired"
    ws = await opened("/ws/sink", id=id)
    queue.attach(ws)
    assert queue.send("now").state == "SENT"
    assert await received(id, ws) == ["now"]


async def test_it_counts_while_a_message_is_in_doubt_too() -> None:
    queue = SendQueue(await opened("/ws/stall"), ttl=0.05)
    delivery = queue.send("x")
    queue.detach()
    assert (delivery.state, queue.pending) == ("SENT", 1)
    assert await dropped(delivery) == "expired"


async def test_what_expires_makes_room_for_those_that_wait() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    await queue.put("a", ttl=0.05)
    await queue.put("b")
    assert list(queue) == ["b"]
    # send() looks before it raises.
    queue = SendQueue(max_pending=1)
    queue.send("a", ttl=0)
    queue.send("b")
    assert list(queue) == ["b"]
    # If it is a send() that finds out first, what is left is for those who wait.
    queue = SendQueue(max_pending=2, on_full="wait")
    expiring = [queue.send(text, ttl=0.01) for text in "ab"]
    putting = asyncio.ensure_future(queue.put("c"))
    await asyncio.sleep(0)
    busy(0.02)
    queue.send("d")
    await putting
    assert states(expiring) == "DD"
    assert list(queue) == ["d", "c"]


# What it tells


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


async def test_close_accepts_no_more_and_drops_what_waits(id: str) -> None:
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws, max_unconfirmed=1)
    sent, waits = queue.send("sent"), queue.send("waits")
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
    queue.detach()
    assert await dropped(sent) == "closed"
    check(queue)


async def test_close_ends_the_wait_for_room() -> None:
    queue = SendQueue(max_pending=1, on_full="wait")
    await queue.put("a")
    tasks = [asyncio.ensure_future(queue.put(text)) for text in "bc"]
    await turns()
    queue.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [QueueClosed] * 2
    assert queue.stats.accepted == 1
    with raises(QueueClosed):
        async with asyncio.timeout(2):
            await queue.put("there is no room either")


# Deliveries


async def test_confirmed_means_that_the_browser_has_it_no_more() -> None:
    ws = await opened("/ws/sink", ack=0)
    queue = SendQueue(ws)
    for number in range(10):
        delivery = queue.send(bytes(BIG + number))
        assert ws.bufferedAmount >= BIG
        await delivery
        assert ws.bufferedAmount == 0
    # Empty ones are confirmed too.
    for data in ("", b"", "x", ""):
        await queue.send(data)
    await asyncio.gather(*send_all(queue, ("", "x", b"", "")))


async def test_what_is_logged_may_be_sent_over_the_queue_itself() -> None:
    """As a logging handler does that reports to a server."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            queue.send(record.levelname)

    handler = Handler()
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
    before = futures()
    for _ in range(50):
        tasks = [asyncio.ensure_future(wait) for wait in (queue.put("y"), queue.drain(), delivery)]
        await turns(3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    del tasks, task
    assert futures() - before < 50


# One socket after the other


@pytest.mark.parametrize("how", ["the server resets TCP", "the server is slow"])
async def test_what_has_not_left_goes_first_over_the_next_socket(id: str, how: str) -> None:
    """In the midst of a burst."""
    if is_slow := how == "the server is slow":
        ws = await opened("/ws/sink", ack=0, rate=SLOW)
    else:
        ws = WebSocket(url("/ws/drop", after=3))
    queue = SendQueue(ws)
    deliveries = send_all(queue, big(MANY))
    await (deliveries[0] if is_slow else event(ws, "close"))
    again = WebSocket(url("/ws/sink", id=id, ack=0))
    queue.attach(again)
    left = states(deliveries).count("C")
    # What has left is the beginning of it; the rest is kept.
    assert is_slow <= left < MANY
    assert states(deliveries) == "C" * left + "S" * (MANY - left)
    assert list(queue) == [delivery.message for delivery in deliveries[left:]]
    assert (queue.pending, queue.unconfirmed) == (MANY - left, 0)
    deliveries.append(queue.send("new"))
    await queue.drain()
    expected = [delivery.size for delivery in deliveries[left:]]
    assert await sizes(id, len(expected)) == expected
    assert states(deliveries) == "C" * (MANY + 1)
    assert queue.stats.resent == MANY - left
    check(queue)


async def test_what_is_in_doubt_may_be_dropped_and_what_only_waited_is_not(id: str) -> None:
    queue = SendQueue(await opened("/ws/stall"), in_doubt="drop", max_unconfirmed=1)
    # In the turn in which it is sent, nothing can leave.
    sent, waits = send_all(queue, big(2))
    queue.attach(WebSocket(url("/ws/sink", id=id, ack=0)))
    assert await dropped(sent) == "in doubt"
    await waits
    assert await sizes(id, 1) == [waits.size]
    assert queue.stats.resent == 0


@pytest.mark.parametrize("registered", ["before", "after"])
async def test_a_clean_close_leaves_no_doubt(id: str, registered: str) -> None:
    """close() is called right after send(), and the next socket attached in the close handler."""
    first = new_id()
    sockets: list[WebSocket] = []

    def on_close(_: object) -> None:
        sockets.append(WebSocket(url("/ws/sink", id=id)))
        queue.attach(sockets[0])

    ws = WebSocket(url("/ws/sink", id=first))
    if registered == "before":
        ws.onclose = on_close
    queue = SendQueue(ws)
    ws.onclose = on_close
    await event(ws, "open")
    deliveries = send_all(queue, numbers(100))
    ws.close()
    queue.send("next")
    await until(lambda: sockets)
    await queue.drain()
    assert contents(await the_one(first)) == numbers(100)
    assert {delivery.reason for delivery in deliveries} == {"left the page"}
    assert await received(id, sockets[0]) == ["next"]


async def test_detach_leaves_the_socket_as_it_is(id: str) -> None:
    first = new_id()
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
    again = await opened("/ws/sink", id=id)
    queue.attach(again)
    await delivery
    assert await received(id, again) == ["b"]


async def test_a_socket_that_was_let_go_of_matters_no_more(id: str) -> None:
    """Neither its open event, nor its close event."""
    first = new_id()
    slow = WebSocket(url("/ws/sink", id=first, delay=0.1))
    is_open = event(slow, "open")
    queue = SendQueue(slow)
    queue.send("a")
    ws = WebSocket(url("/ws/sink", id=id))
    queue.attach(ws)
    await queue.drain()
    queue.send("b")
    await is_open
    queue.send("c")
    assert await received(first, slow) == []
    assert queue.send("d").state == "SENT"
    assert await received(id, ws) == ["a", "b", "c", "d"]
    assert queue.stats.resent == 0


async def test_attaching_the_socket_that_it_has_already_sends_nothing_twice(id: str) -> None:
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    queue.send("a")
    queue.attach(ws)
    queue.attach(ws.js_websocket)
    await queue.drain()
    assert await received(id, ws) == ["a"]


async def test_a_socket_that_refuses_to_send(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and the message is in doubt."""

    def refuse(native: object, data: object) -> None:
        raise NativeError("no room")

    ws = await opened("/ws/sink")
    queue = SendQueue(ws)
    with monkeypatch.context() as patched:
        patched.setattr(NativeWebSocket, "send", refuse)
        delivery = queue.send("{")
    assert ws.readyState == WebSocket.CLOSING
    assert "refused to send" in reported[0]["message"]
    assert len(taken()) == 1
    queue.send("next")
    await event(ws, "close")
    assert list(queue) == ["{", "next"]
    assert delivery.state == "SENT"
    again = WebSocket(url("/ws/sink", id=id))
    queue.attach(again)
    await queue.drain()
    assert await received(id, again) == ["{", "next"]


async def test_a_close_event_that_somebody_has_made_is_no_end(id: str) -> None:
    ws = await opened("/ws/sink", id=id)
    queue = SendQueue(ws)
    ws.dispatchEvent(NativeEvent("close"))
    ws.dispatchEvent(NativeCloseEvent("close", 1000, "", was_clean=True))
    assert queue.send("x").state == "SENT"
    assert await received(id, ws) == ["x"]


async def test_through_many_sockets_nothing_is_lost_or_reordered(id: str) -> None:
    """Each is let go of while it has something in its buffer; all of them deliver it in the end."""
    queue = SendQueue(max_unconfirmed=5)
    deliveries = []
    sockets = []
    for turn in range(5):
        deliveries += send_all(queue, [f"{turn} {number}" for number in range(20)])
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


async def test_what_is_held_for_a_slow_server_is_bounded() -> None:
    ws = await opened("/ws/sink", ack=0, rate=6 * SLOW)
    queue = SendQueue(ws, max_unconfirmed_bytes=2**20, max_pending_bytes=2**19, on_full="wait")
    buffered, held = [0], [0]
    for _ in range(96):
        await queue.put(bytes(2**17))
        buffered.append(ws.bufferedAmount)
        held.append(queue.pending_bytes + ws.bufferedAmount)
    assert 2**19 < max(buffered) <= 2**20 < max(held) <= 2**20 + 2**19
    await queue.drain()
    assert ws.bufferedAmount == 0


# What is left


async def all_used() -> list[Any]:
    ws = await opened()
    queue = SendQueue(ws)
    deliveries = send_all(queue, ["a", "b"])
    await queue.drain()
    await closed(ws)
    await all_delivered(ws)
    return [ws, queue, *deliveries, queue.send("left over")]


async def detached_from_a_socket_that_lives() -> list[Any]:
    queue = SendQueue(await opened())
    await queue.send("a")
    queue.detach()
    return [queue]


async def with_a_time_to_live() -> list[Any]:
    ws = WebSocket(url("/ws/echo"))
    queue = SendQueue(ws, ttl=3600)
    await queue.send("a")
    await closed(ws)
    await all_delivered(ws)
    return [queue]


@pytest.mark.parametrize("use", [all_used, detached_from_a_socket_that_lives, with_a_time_to_live])
async def test_the_python_objects_go_too(use: Callable[[], Any]) -> None:
    references = [weakref.ref(thing) for thing in await use()]
    await turns()
    gc.collect()
    assert {reference() for reference in references} == {None}
