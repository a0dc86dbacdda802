"""SendQueue: what its users see of it, rule by rule. plays.py tells what the lines say.

Over real servers the cases of all engines have it, see test_cases.py.
"""

from __future__ import annotations

import array
import asyncio
import base64
import functools
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from readystate import Blob, Delivery, QueueFull, SendQueue, WebSocket
from readystate._host.cpython.events import NativeCloseEvent, NativeEvent
from readystate._host.cpython.values import NativeBlob, NativeBuffer
from readystate_server.testing.inpage import (
    all_delivered,
    closed,
    journal,
    opened,
    raises,
    turns,
    until,
    url,
)
from tests.unit.rules import Rule, follow, parse

from .plays import SERVER, URL, Stage

BIG = 2**16


class Play(Stage):
    """A SendQueue, and sockets, one after the other."""

    at_once = (
        *("send", "attach", "attach_same", "attach_native", "detach", "clear", "close", "own"),
        *("close_socket", "handler", "attach_at_close", "refuse_to_send", "make_close_event"),
        *SERVER,
    )

    attaches_at_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.handled: list[str] = []

    @functools.cached_property
    def queue(self) -> SendQueue:
        return SendQueue(**self.options)

    def do_at_once(self, what: str, *words: str) -> None:
        match what:
            case "attach":
                on_open = self.on_open if self.handled else None
                self.ws = WebSocket(URL, onopen=on_open, onclose=self.on_close)
                self.queue.attach(self.ws)
            case "attach_same":
                self.queue.attach(self.ws)
                self.queue.attach(self.ws.js_websocket)
            case "attach_native":
                self.ws = WebSocket(URL)
                self.queue.attach(self.ws.js_websocket)
            case "handler":
                self.handled += words
            case "attach_at_close":
                self.attaches_at_close = True
            case "own":
                self.ws.send(words[0])
            case "close_socket":
                self.ws.close()
            case "refuse_to_send":
                self.network.refuses = not words
            case "make_close_event":
                self.ws.dispatchEvent(NativeEvent("close"))
                self.ws.dispatchEvent(NativeCloseEvent("close", 1000, "", was_clean=True))
            case "detach" | "clear" | "close":
                getattr(self.queue, what)()
            case _:
                super().do_at_once(what, *words)

    def on_open(self, _: object) -> None:
        self.do_at_once("send", *self.handled)

    def on_close(self, _: object) -> None:
        if self.attaches_at_close:
            self.do_at_once("attach")

    def look(self, name: str) -> object:
        return self.ws.bufferedAmount if name == "buffered" else super().look(name)


RULES = """
what is sent while CONNECTING goes out on open, in order
    attach; send a b c              > connect       ? waits=a,b,c buffered=0
    open                            > a b c         ? a=left_the_page
also what was sent while there was no socket
    send a; attach_native; send b; open > connect a b
over an open socket it is sent in the same call
    attach; open; send a and cut    > connect a     ? a=SENT
if it need not wait its turn  [max_unconfirmed=1 is_stuck]
    attach; open; send a b          > connect a     ? a=SENT b=QUEUED waits=b
also before the queue has been told that it is open
    handler a
    attach; open                    > connect a
what an open handler sends comes after the backlog, with a small window too  [max_unconfirmed=2]
    handler z
    send a b c d e; attach; open    > connect a b c d e z
what is sent meanwhile comes after the backlog  [max_unconfirmed=2 is_stuck]
    send a b c d; attach; open      > connect a b
    send e; leave 1; pass 1         > c             ? waits=d,e
a closing and a closed socket get nothing, and what they would lose waits
    attach; open                    > connect
    close_socket and send a; attach_same; send b > CLOSE ? a=QUEUED waits=a,b buffered=0
    attach; open                    > connect a b

put waits for room, and goes on  [max_pending=2 max_pending_bytes=3 on_full=wait is_stuck]
    put a; put b; put 1234          > put:done put:done
    attach; open                    > connect a b 1234 put:done
a put that is too large goes when nothing is before it  [max_pending_bytes=3 on_full=wait]
    attach; put 1234                > connect
    open                            > 1234 put:done
those that wait get room in the order in which they came  [max_pending_bytes=4 on_full=wait]
    put 12@1; put 34                > put:done put:done
    put abc; put d; put ef
    pass 2                                          ? waits=34
    clear                           > put:done put:done ? waits=abc,d
    clear                           > put:done      ? waits=ef
a put that was cancelled has accepted nothing, and others go on  [max_pending=1 on_full=wait]
    put a; put b and cancel put; put c > put:done   ? waits=a accepted=1
    clear                           > put:done      ? waits=c accepted=2
max_pending=0 sends now or not at all: raises  [max_pending=0 max_pending_bytes=0]
    send a                                          ! QueueFull
    attach; open; send a; put b     > connect a b put:done
waits  [max_pending=0 max_pending_bytes=0 on_full=wait]
    attach; put a                   > connect
    open; send b                    > a put:done b  ? pending=0
drops  [max_pending=0 on_full=drop-newest]
    send a                                          ? a=overflow
    attach; open; send b            > connect b
a ttl that is none changes nothing  [max_pending=0 on_full=wait]
    send a@-1                                       ! ValueError
    put a@-1                        > put:ValueError ? accepted=0

what has waited for too long is dropped without a further call  [ttl=3]
    send a@60 b@1 c                                 ? waits=a,b,c
    pass 1.5                                        ? b=expired
    pass 2                                          ? c=expired waits=a drops=expired:2
it is not sent, though no timer could run, and what was sent does not expire  [ttl=3 is_stuck]
    attach; send a; late 4 and open > connect       ? a=expired
    send b; late 4; leave 1; pass 1 > b             ? b=left_the_page
0 means now or not at all  [ttl=0]
    send a; pass 0.1                                ? a=expired
    attach; open; send b            > connect b     ? b=left_the_page
it counts while a message is in doubt too  [ttl=3 is_stuck]
    attach; open; send a; detach    > connect a     ? a=SENT pending=1
    pass 4                                          ? a=expired
what expires makes room for those that wait  [max_pending=1 on_full=wait]
    put a@1; put b                  > put:done
    pass 2                          > put:done      ? waits=b
send() looks before it raises  [max_pending=1]
    send a@0; send b                                ? waits=b
if it finds out first, what is left is for those who wait  [max_pending=2 on_full=wait]
    send a@1 b@1; put c
    late 2 and send d               > put:done      ? waits=d,c

drain waits until nothing waits or is in doubt  [is_stuck]
    drain                           > drain:done
    send a; drain; drain and cancel drain
    attach; open                    > connect a
    leave 1; pass 1                 > drain:done    ? unconfirmed=0
    detach; send b; drain
    clear                           > drain:done
close accepts no more, and drops what waits  [max_unconfirmed=1 is_stuck]
    attach; open; send a b          > connect a
    close                                           ? a=SENT b=closed
    send c                                          ! QueueClosed
    put c; close; drain             > put:QueueClosed
    leave 1; pass 1; own c          > drain:done c  ? a=left_the_page
what was sent it drops when that would have to be sent again  [is_stuck]
    attach; open; send a; close     > connect a     ? a=SENT
    detach                                          ? a=closed
it ends the wait for room  [max_pending=1 on_full=wait]
    put a; put b; put c             > put:done
    close                           > put:QueueClosed put:QueueClosed ? accepted=1
    put d                           > put:QueueClosed
confirmed means that the browser has it no more, also if it is empty  [is_stuck]
    attach; open; send aa b         > connect aa b
    leave 1; pass 1                                 ? aa=SENT
    leave 1; pass 1                                 ? aa=left_the_page b=SENT
    leave 1; pass 1; send #; pass 1 > #             ? b=left_the_page #=left_the_page

what has not left goes first over the next socket  [is_stuck]
    attach; open; send a b c        > connect a b c
    leave 1; pass 1; cut                            ? a=left_the_page b=SENT waits=b,c
    send d; attach; open            > connect b c d ? resent=2
it may be dropped, and what only waited is not  [in_doubt=drop max_unconfirmed=1 is_stuck]
    attach; open; send a b          > connect a
    attach; open                    > connect b     ? a=in_doubt resent=0
a clean end leaves no doubt, though close() is called right after send()  [is_stuck]
    attach; open                    > connect
    send a b and close_socket       > a b CLOSE     ? a=left_the_page b=left_the_page
    send c; attach; open            > connect c
also if the next one is attached before the queue is told of it  [is_stuck]
    attach_at_close; attach; open   > connect
    send a and close_socket         > a CLOSE connect ? a=left_the_page
detach leaves the socket as it is
    attach; open; send a; detach; detach > connect a
    send b; own c                   > c             ? waits=b
    attach; open                    > connect b
a socket that was let go of matters no more
    attach; send a                  > connect
    attach; at 2 open               > connect a
    at 1 open; send b               > b
    at 1 cut; send c                > c             ? resent=0
attaching the one that it has already sends nothing twice
    attach; open; send a and attach_same > connect a
a socket that refuses to send is reported, and the message is in doubt
    attach; open; refuse_to_send; send a > connect CLOSE reported:NativeError ? waits=a a=SENT
    refuse_to_send not; send b; attach; open > connect a b
a close event that somebody has made is no end
    attach; open; make_close_event; send a > connect a
what is held is bounded  [max_unconfirmed_bytes=4 max_pending_bytes=2 on_full=wait is_stuck]
    attach; open; put aa; put bb    > connect aa put:done bb put:done
    put cc; put dd                  > put:done      ? unconfirmed=2 pending_bytes=2
    leave 2; pass 1                 > cc put:done   ? buffered=4
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    with Play(rule.options, monkeypatch) as play:
        follow(rule, play.do, play.look, Exception)


@pytest.mark.parametrize("count", [15, 16, 17, 300])
def test_a_backlog_of_any_length_keeps_its_order(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(number) for number in range(count)]
    with Play({}, monkeypatch) as play:
        play.do("send", *names)
        assert play.do("attach") == ["connect"]
        assert play.do("open") == names


# Over a real server


def send_all(queue: SendQueue, messages: Any) -> list[Delivery]:
    return [queue.send(message) for message in messages]


async def test_there_are_bounds_unless_none_is_asked_for() -> None:
    for fill, more in ([""] * 2**16, ""), ([bytes(2**26)], "x"):
        queue = SendQueue()
        send_all(queue, fill)
        with raises(QueueFull):
            queue.send(more)
    queue = SendQueue(
        max_pending=None, max_pending_bytes=None, max_unconfirmed=None, max_unconfirmed_bytes=None
    )
    send_all(queue, [""] * 70_000)
    queue.send(bytes(65 * 2**20))
    assert (queue.pending, queue.pending_bytes) == (70_001, 65 * 2**20)
    queue.attach(await opened("/ws/sink"))
    assert (queue.pending, queue.unconfirmed) == (0, 70_001)


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_message_is_what_it_was_when_it_was_accepted(id: str, waiting: bool) -> None:
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    changing = bytearray(b"before")
    integers = array.array("i", [1, -2])
    strided = memoryview(bytearray(range(8)))[::2]
    cases: list[tuple[Any, str | bytes]] = [
        *((text, text) for text in ("", "a\0b", "é" * BIG, "", "[object ArrayBuffer]")),
        ("a\ud800b\ud83d\ude00", "a\ufffdb😀"),
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
    assert queue.stats.accepted == len(cases)
    strided[0] = 99
    integers[0] = 7
    changing[:] = b"after!"
    if waiting:
        queue.attach(ws)
    await queue.drain()
    await closed(ws)
    assert [
        message["data"] if message["kind"] == "text" else base64.b64decode(message["data"])
        for message in (await journal(id, closed=1))[0]["messages"]
    ] == [expected for _, expected in cases]
    # In bytes, as bufferedAmount counts.
    assert [delivery.size for delivery in sent] == [
        len(expected.encode() if isinstance(expected, str) else expected) for _, expected in cases
    ]
    assert b"before" in [delivery.message for delivery in sent]


async def test_a_bytearray_may_change_its_size_while_its_message_waits() -> None:
    data = bytearray(BIG)
    delivery = SendQueue().send(data)
    data.clear()  # BufferError, if anything held on to it
    assert len(delivery.message) == BIG


async def test_what_is_logged_may_be_sent_over_the_queue_itself() -> None:
    """As a logging handler does that reports to a server."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            queue.send(record.levelname)

    handler = Handler()
    logging.getLogger("readystate").addHandler(handler)
    try:
        queue = SendQueue()
        deliveries = [queue.send(text, ttl=0.01) for text in "012"]
        queue.send("kept")
        await until(lambda: deliveries[0].state == "DROPPED")
        await turns()
    finally:
        logging.getLogger("readystate").removeHandler(handler)
    assert {delivery.state for delivery in deliveries} == {"DROPPED"}
    assert sorted(queue) == ["WARNING", "kept"]
    assert queue.stats.dropped == {"expired": 3}


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
