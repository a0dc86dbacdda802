"""readystate.sync on CPython: the same connection, for code that blocks, from any thread."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from readystate import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    DOMSyntaxError,
    InvalidAccessError,
    OpenTimeout,
    WebSocket,
)
from readystate._host.cpython import runner, wire
from readystate.sync import Connection, connect
from readystate_server.lab import Server
from readystate_server.testing import inpage
from readystate_server.testing.inpage import raises, url

from .. import processes
from .conftest import AT_ONCE

LIMIT = 20.0
"""Seconds until a wait of these tests has failed."""


def the_one(id: str) -> dict[str, Any]:
    """The one connection with ``id``, as the server has seen it, once it is closed."""
    (connection,) = asyncio.run(inpage.journal(id, closed=1))
    return connection


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "readystate.sync"]


def until(condition: Callable[[], Any]) -> None:
    """Waits, in another way than by what is tested, until the condition holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def is_receiving(ws: Connection) -> bool:
    return ws._connection._is_receiving


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    gc.collect()
    until(lambda: not threads())


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


# One connection


def test_as_a_context_manager() -> None:
    with connect(url("/ws/echo"), subprotocols=["json"]) as ws:
        assert isinstance(ws, Connection)
        assert ws.url == url("/ws/echo")
        assert ws.subprotocol == "json"
        assert ws.extensions == ""
        assert ws.ready_state == WebSocket.OPEN
        assert (ws.close_code, ws.close_reason) == (None, None)
        assert (ws.buffered_amount, ws.dropped) == (0, 0)
        assert repr(ws) == f"<Connection {url('/ws/echo')} OPEN>"
        for bad, error in (((999,), InvalidAccessError), ((1000, "x" * 124), DOMSyntaxError)):
            with raises(error):
                ws.close(*bad)
        ws.send(bytes(2**20))
        ws.drain()
        assert ws.buffered_amount == 0
        assert len(ws.recv()) == 2**20
        assert len(threads()) == 1
    assert ws.ready_state == WebSocket.CLOSED
    assert (ws.close_code, ws.close_reason) == (1000, "")
    assert not threads()


def test_without_a_block() -> None:
    ws = connect(url("/ws/echo")).open()
    ws.close(4000, "done")
    assert ws.close_code == 4000
    assert not threads()
    ws.close()  # again
    with connect(url("/ws/echo")).open() as ws:
        ws.send("x")
        assert ws.recv() == "x"
    assert ws.close_code == 1000


def test_blocks_of_one_connect_may_be_nested() -> None:
    connecting = connect(url("/ws/echo"))
    with connecting as outer, connecting as inner:
        assert outer is not inner
        inner.send("inner")
        outer.send("outer")
        assert (outer.recv(), inner.recv()) == ("outer", "inner")
    assert repr(connecting) == f"<connect {url('/ws/echo')}>"


def test_a_handshake_that_fails() -> None:
    with raises(ConnectionFailed), connect(url("/ws/refuse", status=403)):
        pass
    with raises(OpenTimeout), connect(url("/ws/echo", delay=60), open_timeout=0.05):
        pass
    with raises(DOMSyntaxError), connect("ws://host/#fragment"):
        pass
    assert not threads()


def test_recv_with_a_timeout_loses_nothing() -> None:
    with connect(url("/ws/echo")) as ws:
        for timeout in (0, -1, 0.01):
            with raises(TimeoutError):
                ws.recv(timeout=timeout)
        ws.send("late")
        until(lambda: ws._connection._queue)
        assert ws.recv(timeout=0) == "late"
        for number in range(20):
            ws.send(str(number))
            while True:
                try:
                    assert ws.recv(timeout=0) == str(number)
                    break
                except TimeoutError:
                    pass
        ws.send("in time")
        assert ws.recv(timeout=LIMIT) == "in time"


def test_text_and_bytes_are_converted_when_asked() -> None:
    with connect(url("/ws/echo")) as ws:
        for message in ("é", "é".encode(), b"\xff"):
            ws.send(message)
        assert ws.recv(decode=False) == "é".encode()
        assert ws.recv(decode=True) == "é"
        with raises(UnicodeDecodeError):
            ws.recv(decode=True)
        ws.send(b"text", text=True)
        assert ws.recv() == "text"


def test_fragments_are_made_where_they_are_sent() -> None:
    made_in = []

    def fragments() -> Iterator[str]:
        for part in "ab":
            made_in.append(threading.current_thread())
            yield part

    with connect(url("/ws/echo")) as ws:
        ws.send(fragments())
        assert ws.recv() == "ab"
        ws.send([b"a", b"b"])
        assert ws.recv() == b"ab"
        with raises(TypeError):
            ws.send({"a": 1})  # type: ignore[arg-type]
    assert made_in == [threading.main_thread()] * 2


def test_iteration_ends_with_the_connection() -> None:
    with connect(url("/ws/close", after=1, code=1011, reason="oops")) as ws:
        ws.send("x")
        messages = iter(ws)
        assert next(messages) == "x"
        with raises(ConnectionClosedError) as caught:
            next(messages)
        assert (caught.value.code, caught.value.reason) == (1011, "oops")
        with raises(ConnectionClosedError):
            ws.send("too late")


def test_batches_have_all_that_has_arrived_in_order() -> None:
    with connect(url("/ws/flood", count=200, size=8, then="close")) as ws:
        batches = list(ws.batches())
    assert 1 < len(batches) <= 200
    assert all(1 <= len(batch) <= 64 for batch in batches)
    assert sum(map(len, batches)) == 200
    with connect(url("/ws/close", code=1011)) as ws, raises(ConnectionClosedError):
        list(ws.batches())


def test_what_has_arrived_is_received_after_the_end() -> None:
    with connect(url("/ws/echo")) as ws:
        for number in range(200):
            ws.send(str(number))
        assert ws.recv() == "0"
        until(lambda: len(ws._connection._queue) + len(ws._messages) == 199)
    assert [ws.recv() for _ in range(199)] == [str(number) for number in range(1, 200)]
    assert [*ws] == []
    for call in (ws.recv, lambda: ws.send("x"), ws.drain):
        with raises(ConnectionClosedOK):
            call()
    assert ws.wait_closed()


def test_wait_closed() -> None:
    with connect(url("/ws/close", after=1, code=4001)) as ws:
        assert not ws.wait_closed(timeout=0.01)
        ws.send("x")
        assert ws.wait_closed(timeout=LIMIT)
        assert ws.wait_closed()
        assert ws.close_code == 4001
        assert ws.recv() == "x"


def test_limits_are_those_of_the_queue() -> None:
    with connect(
        url("/ws/flood", count=100, number=1), max_queue=5, on_overflow="drop-oldest"
    ) as ws:
        until(lambda: ws.dropped == 95)
        assert [int(ws.recv()) for _ in range(5)] == [*range(95, 100)]
        with raises(TimeoutError):
            ws.recv(timeout=0.01)


# How it is left


def test_an_exception_does_not_wait_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLOSE_TIMEOUT", 0.1)
    with raises(LookupError), connect(url("/ws/stall")) as ws:
        (thread,) = threads()
        raise LookupError
    with raises(ConnectionClosedError, match="LookupError in its 'with' block"):
        ws.recv()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_an_exception_closes_with_a_close_frame(id: str) -> None:
    with raises(LookupError), connect(url("/ws/echo", id=id)):
        raise LookupError
    assert the_one(id)["close"] == {"code": 1000, "reason": "", "clean": True}


def test_a_connection_that_nobody_has_ends(id: str) -> None:
    ws = connect(url("/ws/echo", id=id)).open()
    assert len(threads()) == 1
    del ws
    gc.collect()
    until(lambda: not threads())
    the_one(id)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises here, as where a shell runs the tests in the foreground."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("wait", [Connection.recv, list, Connection.wait_closed])
def test_ctrl_c_interrupts_it(
    wait: Callable[[Connection], object], other: ThreadPoolExecutor
) -> None:
    with connect(url("/ws/echo")) as ws:
        interrupting = other.submit(interrupt_when_waiting)
        with raises(KeyboardInterrupt):
            wait(ws)
        interrupting.result(LIMIT)
        # And it goes on as if nothing had been.
        ws.send("x")
        assert ws.recv() == "x"


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_interrupts_connecting_and_leaves_no_socket(
    other: ThreadPoolExecutor, id: str
) -> None:
    interrupting = other.submit(interrupt_when_waiting)
    with raises(KeyboardInterrupt), connect(url("/ws/echo", delay=1, id=id)):
        pass
    interrupting.result(LIMIT)
    asyncio.run(inpage.all_gone(id))


def interrupt_when_waiting() -> None:
    """Presses Ctrl-C when the main thread waits for a future."""
    main = threading.main_thread().ident or 0

    def is_waiting() -> bool:
        frames = traceback.walk_stack(sys._current_frames()[main])
        places = {(frame.f_code.co_filename, frame.f_code.co_name) for frame, _ in frames}
        return places >= {(runner.__file__, "wait"), (threading.__file__, "wait")}

    until(is_waiting)
    signal.pthread_kill(main, signal.SIGINT)


# Several threads


def test_threads_send_while_another_receives(other: ThreadPoolExecutor) -> None:
    with connect(url("/ws/echo")) as ws:
        receiving = other.submit(lambda: [str(ws.recv(timeout=LIMIT)) for _ in range(100)])

        def send(sender: int) -> None:
            for number in range(25):
                ws.send(f"{sender} {number}")

        list(other.map(send, range(4), timeout=LIMIT))
        received = receiving.result(LIMIT)
    for sender in range(4):
        own = [text for text in received if text.startswith(f"{sender} ")]
        assert own == [f"{sender} {number}" for number in range(25)]


def test_two_threads_do_not_receive_at_once(other: ThreadPoolExecutor) -> None:
    with connect(url("/ws/echo")) as ws:
        receiving = other.submit(ws.recv)
        until(lambda: is_receiving(ws))
        with raises(ConcurrencyError):
            ws.recv()
        ws.send("x")
        assert receiving.result(LIMIT) == "x"


@pytest.mark.parametrize("place", ["recv", "send"])
def test_close_ends_what_another_thread_waits_for(
    place: str, other: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CLOSE_TIMEOUT", 0.1)
    ws = connect(url("/ws/stall"), close_timeout=0.1).open()

    def send() -> None:
        while True:
            ws.send(bytes(2**20))

    waiting: Future[Any] = other.submit(ws.recv if place == "recv" else send)
    until(lambda: is_receiving(ws) or ws.buffered_amount > 2**20)
    ws.close()
    with raises(ConnectionClosed):
        waiting.result(LIMIT)
    with raises(ConnectionClosed):
        ws.recv()


# A new connection after each loss


def test_each_connection_is_closed_at_the_end_of_the_body() -> None:
    connections = []
    for ws in connect(url("/ws/echo"), backoff=AT_ONCE):
        connections.append(ws)
        assert len(threads()) == 1
        ws.send("x")
        if len(connections) == 2:
            until(lambda: ws._connection._queue)  # noqa: B023
            break
        ws.close(4000)  # its own, and not the loop's
    assert [ws.close_code for ws in connections] == [4000, 1000]
    assert connections[1].recv() == "x"


def test_attempts_that_fail_are_given_up() -> None:
    seen: list[Exception] = []
    with raises(ConnectionFailed, match="given up after 3 attempts in a row"):
        for _ in connect(
            url("/ws/refuse"), backoff=AT_ONCE, max_attempts=3, process_exception=seen.append
        ):
            pytest.fail("connected")
    assert len(seen) == 3
    assert not threads()


def test_a_callback_in_its_thread_does_not_wait_for_itself() -> None:
    """It would for ever."""
    connections: list[Connection] = []

    def process_exception(error: Exception) -> None:
        connections[0].recv()

    server = Server()
    server.start()
    with raises(RuntimeError, match="own thread"):
        for ws in connect(
            server.ws_url("/ws/echo"), backoff=AT_ONCE, process_exception=process_exception
        ):
            connections.append(ws)
            server.stop()


# The process


WARNINGS = ("-W", "default::ResourceWarning", "-W", "ignore::DeprecationWarning")
"""What is not closed, but not that threads and os.fork() go together badly."""


def test_a_program_ends_though_a_connection_is_open(id: str) -> None:
    code = (
        "import sys; from readystate.sync import connect\n"
        "ws = connect(sys.argv[1]).open()\n"
        "ws.send('last words')\n"
        "print('sent')"
    )
    assert processes.python(code, url("/ws/echo", id=id), flags=WARNINGS) == "sent\n"
    assert the_one(id)["count"] == 1


def test_after_a_fork_the_connection_is_the_parents() -> None:
    code = (
        "import os, sys; from readystate.sync import connect\n"
        "with connect(sys.argv[1]) as ws:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        try: ws.send('child')\n"
        "        except RuntimeError as error: print(error, flush=True)\n"
        "        with connect(sys.argv[1]) as own:\n"
        "            own.send('its own'); print(own.recv(), flush=True)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    ws.send('parent'); print(ws.recv())\n"
    )
    assert processes.python(code, url("/ws/echo"), flags=WARNINGS).splitlines() == [
        "this connection is another process's, from before os.fork(): connect again",
        "its own",
        "parent",
    ]
