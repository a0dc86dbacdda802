"""connect() and Connection: what their users see of them. plays.py tells what the lines say.

Over real servers the cases of all engines have them, see test_cases.py.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from readystate import Backoff, Connection, ConnectionFailed, QueuedWebSocket, connect
from readystate_server.testing.inpage import raises, turns, until, url
from tests.plays import message, word
from tests.unit.rules import Rule, follow, parse

from .conftest import AT_ONCE, FOREVER, Page
from .plays import SERVER, URL, Stage


class Play(Stage):
    """A connection, or one after the other, and the page around it.

    ``begin`` awaits connect(), ``enter`` and ``exit`` are those of its block, and ``iterate`` has
    a new one each time that ``next`` ends the body of the loop, which a ``break`` ends too.
    """

    ws: Connection
    at_once = ("next", "break", "page", "process_exception", *SERVER)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.goes_on = asyncio.Event()
        self.answers: list[str] = []

    @functools.cached_property
    def connecting(self) -> Any:
        options: dict[str, Any] = {"backoff": Backoff(1, 10, jitter=0), **self.options}
        for name in ("write_limit", "subprotocols"):
            if isinstance(value := options.get(name), str):
                options[name] = value.split(",")
        if "write_limit" in options:
            options["write_limit"] = tuple(map(int, options["write_limit"]))
        if self.answers:
            options["process_exception"] = self.process_exception
        return connect(URL, **options)

    @property
    def queue(self) -> Connection:
        return self.ws

    async def process_exception(self, error: Exception) -> object:
        await asyncio.sleep(0)
        match self.answers.pop(0):
            case "none":
                return None
            case "same":
                return error
            case "other":
                return PermissionError()
        return True

    def do_at_once(self, what: str, *words: str) -> None:
        match what:
            case "next" | "break":
                self.is_enough = what == "break"
                self.goes_on.set()
            case "process_exception":
                self.answers += words
            case _:
                super().do_at_once(what, *words)

    async def call(self, what: str, *words: str) -> str:
        match what:
            case "begin":
                self.ws = await self.connecting
            case "enter":
                self.ws = await self.connecting.__aenter__()
            case "exit":
                error: Any = LookupError() if words else None
                await self.connecting.__aexit__(error and LookupError, error, None)
            case "iterate":
                async for ws in self.connecting:
                    self.ws = ws
                    self.seen.append("open")
                    await self.goes_on.wait()
                    self.goes_on.clear()
                    if self.is_enough:
                        break
            case "send":
                await self.ws.send(message(words[0]))
            case "one":
                async for each in self.ws:
                    return word(each)
            case "batches":
                async for batch in self.ws.batches():
                    self.seen.append(f"batch:{','.join(map(word, batch))}")
            case _:
                return await super().call(what, *words)
        return "done"

    def look(self, name: str) -> object:
        match name:
            case "why":
                return str(self.error).replace(" ", "_")
            case "cause":
                return type(self.error and self.error.__cause__).__name__
            case "code":
                return getattr(self.error, "code", None)
            case "repr":
                return repr(self.ws).replace(" ", "_")
        return super().look(name)


RULES = """
it is there while its block runs  [subprotocols=json,text]
    enter                           > connect:json,text
    open                            > enter:done    ? ready_state=1 subprotocol=json extensions=
                                    ? close_code=None close_reason=None url=ws://host/
    send a; send #b                 > a send:done #b send:done ? repr=<Connection_ws://host/_OPEN>
    say a #b; recv; recv            > recv:a recv:#b
    exit                            > CLOSE:1000 exit:done
                                    ? ready_state=3 close_code=1000 close_reason=
                                    ? repr=<Connection_ws://host/_CLOSED>
or as long as it is not closed
    begin; open                     > connect begin:done ? subprotocol=None
    close 3000 bye                  > CLOSE:3000:bye close:done ? close_code=3000 close_reason=bye
a handshake that fails
    enter; refuse                   > connect enter:ConnectionFailed
or takes too long  [open_timeout=3]
    enter; pass 2.9                 > connect
    pass 0.1                        > ABORT enter:OpenTimeout
                            ? why=ws://host/_has_not_accepted_the_connection_within_3_s
one that is cancelled leaves no socket
    enter; cancel enter             > connect ABORT
also when it is open, but nobody has it yet
    enter; open and cancel enter    > connect CLOSE:1000
an iteration ends with what was meant as the end: 1000
    begin; open; all; say a b       > connect begin:done
    end 1000 enough                 > all:a,b       ? close_code=1000 close_reason=enough
    recv; send a; drain > recv:ConnectionClosedOK send:ConnectionClosedOK drain:ConnectionClosedOK
1001
    begin; open; all; end 1001      > connect begin:done all:
no code
    begin; open; all; end 1005      > connect begin:done all:
and raises at another: 1008
    begin; open; one; say a; all    > connect begin:done one:a
    end 1008 why                    > all:ConnectionClosedError ? code=1008 why=closed:_1008_'why'
1011, 1012, 3000
    begin; open; all; end 1011      > connect begin:done all:ConnectionClosedError
    begin; open; all; end 1012      > connect begin:done all:ConnectionClosedError
    begin; open; all; end 3000      > connect begin:done all:ConnectionClosedError
a loss
    begin; open; all; cut           > connect begin:done all:ConnectionClosedError ? code=1006
messages right before the end are all received
    begin; open; say a b c and end 1000 > connect begin:done
    recv; all                       > recv:a all:b,c
batches hold all that has come, in order
    begin; open; batches; say a     > connect begin:done batch:a
    say b c; say d and cut          > batch:b,c batch:d batches:ConnectionClosedError
those of a connection that ends well end with it
    begin; open; say a b; recv      > connect begin:done recv:a
    batches; say c d; end 1000      > batch:b batch:c,d batches:done
breaking off an iteration loses nothing
    begin; open; say a b c; one; recv; one > connect begin:done one:a recv:b one:c
nor does a recv() that is cancelled, also in the turn in which a message arrives
    begin; open; recv; cancel recv; recv; say a > connect begin:done recv:a
    recv; say b and cancel recv; recv > recv:b
and what arrives then is held within the bounds  [max_queue=1 on_overflow=drop-oldest]
    begin; open; recv; say a b and cancel recv > connect begin:done ? dropped=1
two tasks cannot receive at once
    begin; open; recv; recv         > connect begin:done recv:ConcurrencyError
    all; batches                    > all:ConcurrencyError batches:ConcurrencyError
    say a; recv; say b              > recv:a recv:b
who waits when it is closed is told, and who gives up waiting disturbs nobody
    begin; open; wait_closed; cancel wait_closed; recv; wait_closed > connect begin:done
    close                           > CLOSE:1000 recv:ConnectionClosedOK wait_closed:done close:done
send() while it is closing raises, as the native one would discard it  [is_deaf]
    begin; open; close 3000; send a > connect begin:done CLOSE:3000
    end 3000                        > close:done send:ConnectionClosedError ? code=3000
closing it twice
    begin; open; close 3000; close 4000 > connect begin:done CLOSE:3000 close:done close:done
a close() that is cancelled closes all the same  [is_deaf]
    begin; open; close 3000         > connect begin:done CLOSE:3000
    cancel close; wait_closed; end 3000 > wait_closed:done ? close_code=3000
a server that does not answer it  [is_deaf close_timeout=3]
    begin; open; recv; close        > connect begin:done CLOSE:1000
    pass 3                          > close:done recv:ConnectionClosedError ? close_code=1006
                    ? why=ended:_the_server_has_not_ended_the_connection_within_3_s_(1006)
an exception that leaves its block waits for nothing  [is_deaf]
    enter; open; exit LookupError   > connect enter:done CLOSE:1000 exit:done ? close_code=1006
    recv        > recv:ConnectionClosedError ? why=ended:_LookupError_in_its_'with'_block_(1006)
what had not left then is told  [is_stuck]
    enter; open; send aa; exit LookupError > connect enter:done aa send:done CLOSE:1000 exit:done
                    ? log=LookupError_in_its_block:_2_bytes_had_not_left_the_page,_and_may_be_lost
if it has ended already there is nothing to do
    enter; open; end 1000; exit LookupError > connect enter:done exit:done ? close_code=1000
a cancellation while it closes ends it too  [is_deaf]
    enter; open; exit; cancel exit  > connect enter:done CLOSE:1000 ? close_code=1006
more than is held closes it, and loses nothing that has come  [max_queue=2]
    begin; open; say a b            > connect begin:done
    say c                           > CLOSE:4008:receive_queue_full
    recv; recv; recv; recv          > recv:a recv:b recv:c recv:ConnectionClosedError
or is dropped  [max_queue_bytes=2 on_overflow=drop-oldest]
    begin; open; say a b c; recv    > connect begin:done recv:b ? dropped=1

send() does not wait up to the high watermark, and then for the low one  [write_limit=4,1 is_stuck]
    begin; open; send aa; send bb   > connect begin:done aa send:done bb send:done
    send c; leave 3; pass 1         > c             ? buffered_amount=2
    leave 1; pass 1                 > send:done     ? buffered_amount=1
drain() waits until nothing is left  [is_stuck]
    begin; open; send aa; drain     > connect begin:done aa send:done
    leave 1; pass 1
    leave 1; pass 1                 > drain:done
one that waits when the connection is lost is told  [write_limit=1,0 is_stuck]
    begin; open; send aa            > connect begin:done aa
    cut; pass 1                     > send:ConnectionClosedError
one that is cancelled has sent  [write_limit=1,0 is_stuck]
    begin; open; send aa; cancel send > connect begin:done aa ? buffered_amount=2

an iteration over connections has a new one after each  [max_attempts=2]
    iterate; open; say a; end 1011; next > connect open
    pass 1; open; say a; next       > connect open CLOSE:1000
    pass 2; refuse                  > connect
    pass 4                          > connect
breaking out of it closes the last one
    iterate; open; break            > connect open iterate:done CLOSE:1000
those that bring nothing are given up  [max_attempts=2]
    iterate; open; end 1011 busy; next > connect open
    pass 1; open; end 1011 busy; next > connect open iterate:ConnectionFailed
                                                    ? cause=ConnectionClosedError
so are attempts that fail  [max_attempts=3]
    iterate; refuse; pass 1; refuse; pass 2 > connect connect connect
    refuse                          > iterate:ConnectionFailed ? cause=ConnectionFailed
after a time too  [give_up_after=3]
    iterate; refuse; pass 1; refuse; pass 2 > connect connect connect
    refuse                          > iterate:ConnectionFailed
process_exception decides whether to go on
    process_exception none same
    iterate; refuse; pass 1         > connect connect
    refuse                          > iterate:ConnectionFailed ? cause=NoneType
it may put another one in its place, and is told of timeouts  [open_timeout=3]
    process_exception other
    iterate; pass 3                 > connect ABORT iterate:PermissionError ? cause=OpenTimeout
and must not return anything else
    process_exception number
    iterate; refuse                 > connect iterate:TypeError
what no other attempt mends is raised  [subprotocols=a,a]
    iterate                         > iterate:DOMSyntaxError
it goes on when the page comes back, whatever says so
    iterate; refuse                 > connect
    page offline; page pagehide; page hidden
    page online; refuse             > connect       ? listeners=1
    page pageshow; refuse           > connect
    page resume; refuse             > connect
    page visible                    > connect
    cancel iterate                  > ABORT         ? listeners=0
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, fake_page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with Play(rule.options, monkeypatch, fake_page) as play:
        follow(rule, play.do, play.look, Exception)


# Over a real server


async def test_decode() -> None:
    async with connect(url("/ws/echo")) as ws:
        for message in ("é", "é", "é".encode(), "é".encode()):
            await ws.send(message)
        for _ in range(2):
            assert await ws.recv(decode=True) == "é"
            assert await ws.recv(decode=False) == "é".encode()
        await ws.send(b"\xff")
        with raises(UnicodeDecodeError):
            await ws.recv(decode=True)


async def test_a_connect_object_can_be_used_again_and_at_once() -> None:
    connecting = connect(url("/ws/echo"), subprotocols=(name for name in ("json",)))
    async with connecting as first, connecting as second:
        assert first is not second
        for ws in (first, second):
            assert ws.subprotocol == "json"
            await ws.send("x")
            assert await ws.recv() == "x"
    assert (first.close_code, second.close_code) == (1000, 1000)


async def test_transports() -> None:
    with raises(RuntimeError, match="no WebSocketStream"):
        await connect(url("/ws/echo"), transport="stream")
    with raises(ValueError, match="transport='tcp'"):
        connect(url("/ws/echo"), transport="tcp")  # type: ignore[arg-type]


async def test_nothing_is_left_of_a_connection() -> None:
    async def one() -> weakref.ref[Connection]:
        async with connect(url("/ws/echo")) as ws:
            await ws.send("x")
            await ws.recv()
            return weakref.ref(ws)

    reference = await one()
    await turns()
    gc.collect()
    assert reference() is None


# What it tells

SECRET = "hunter2"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, of any level, which never is a secret."""
    with caplog.at_level(logging.DEBUG, "readystate"):
        yield caplog
    assert SECRET not in "".join(record.getMessage() for record in caplog.get_records("call"))


def lines(logged: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in logged.records if record.levelno == level]


async def test_a_failing_handshake_is_seen_without_asking(logged: pytest.LogCaptureFixture) -> None:
    with raises(ConnectionFailed, match="given up"):
        async for _ in connect(url("/ws/refuse", token=SECRET), backoff=AT_ONCE, max_attempts=25):
            pass
    warnings = lines(logged, logging.WARNING)
    assert len(warnings) == 3
    for attempt, warning in zip((3, 10, 20), warnings, strict=True):
        assert f"attempt {attempt} failed" in warning
    infos = lines(logged, logging.INFO)
    assert any("attempt 1 failed" in line for line in infos)
    assert any("next attempt in 0.0 s" in line for line in infos)


async def test_connections_made_and_lost_are_told(logged: pytest.LogCaptureFixture) -> None:
    where = url("/ws/close", code=4000, reason="bye", after=1, token=SECRET)
    with raises(ConnectionFailed):
        async for ws in connect(where, backoff=FOREVER, give_up_after=0):
            await ws.send(SECRET)
            await ws.wait_closed()
    infos = lines(logged, logging.INFO)
    address = where.partition("?")[0]
    assert f"{address}: connected, attempt 1" in infos
    assert any("4000" in line and "bye" in line for line in infos)
    assert f"{address}: sends 1 messages of 7 bytes in total, 0 again" in lines(
        logged, logging.DEBUG
    )


async def test_a_queue_tells_the_same(logged: pytest.LogCaptureFixture) -> None:
    paths = itertools.chain(
        [url("/ws/refuse", token=SECRET), url("/ws/close", code=1012, after=2, token=SECRET)],
        itertools.repeat(url("/ws/echo", token=SECRET)),
    )

    async def on_open(ws: QueuedWebSocket) -> None:
        ws.send(SECRET)

    async with QueuedWebSocket(
        lambda: next(paths), protocols=[SECRET], on_open=on_open, backoff=AT_ONCE
    ) as ws:
        ws.send(SECRET)
        await until(lambda: ws.stats.reconnects == 1)
    infos, debugs = lines(logged, logging.INFO), lines(logged, logging.DEBUG)
    for part in ("attempt 1 failed", "connected, attempt 2", "1012", "ended for good"):
        assert any(part in line for line in infos), part
    for part in ("CONNECTING", "OPEN", "WAITING", "CLOSED", "sends 1 messages of 7 bytes"):
        assert any(part in line for line in debugs), part
