"""The two ends of a session: each sentence of its specification, and both over a bad network."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readystate import Delivery, DeliveryState
from readystate.exceptions import QueueFull
from readystate.session.control import (
    DLE,
    PROTOCOL_ERROR,
    TOO_MUCH,
    ProtocolError,
    Window,
    decode,
    encode,
    escape,
)
from readystate.session.core import ClientCore, Core, Hello, ServerCore

from .outboxes import make_outbox
from .rules import Rule, parse

QUEUED, SENT, CONFIRMED, _ = DeliveryState

ID = "an-id_of_16_to_256"
WIDE = Window(1000, 10**6)


def size_of(message: str | bytes) -> int:
    return len(message.encode()) if isinstance(message, str) else len(message)


def opened(window: Sequence[int] = WIDE, *, session: str = ID, expires: float = 60) -> str:
    return encode("opened", {"session": session, "expires": expires, "window": window})


def resumed(received: int, window: Sequence[int] = WIDE) -> str:
    return encode("resumed", {"received": received, "expires": 60, "window": window})


class Joined:
    """A client's or a server's end that has a connection, and what its application has got."""

    def __init__(
        self, kind: type[Core], window: Window = WIDE, other: Window = WIDE, **bounds: int
    ) -> None:
        self.other = other
        self.got: list[str | bytes] = []
        self.deliveries: dict[Any, Delivery] = {}
        self.core: Core = kind(make_outbox(**bounds), window)
        if isinstance(self.core, ClientCore):
            self.core.hello()
            assert self.core.receive([opened(other)]) == []
        else:
            assert isinstance(self.core, ServerCore)
            self.core.open(Hello(None, 0, other), ID, 60)
            assert ['"opened"' in text for text in self.core.controls()] == [True]

    def receive(self, *arrived: str | bytes) -> list[Any]:
        messages = self.core.receive(arrived)
        self.got += messages
        return messages

    def send(self, *messages: str | bytes) -> list[Any]:
        """Accepts ``messages``; returns what now goes over the connection, without controls."""
        for message in messages:
            self.deliveries[message] = self.core.outbox.accept(message, size_of(message))
        return escape([delivery.message for delivery in self.core.outbox.take()])

    def finish(self, done: int) -> None:
        self.core.finish(done, sum(map(len, self.got[done:])))

    def resume(self, received: int, connection: int | None = None) -> list[Any]:
        """Another connection, over which the other end says what it has received; returns what is
        sent after the first control. A server may still have one when ``connection`` comes.
        """
        core = self.core
        if connection is None:
            core.disconnect()
            connection = core.connection + 1
        if isinstance(core, ServerCore):
            again = core.resume(Hello(ID, received, self.other, connection), 60)
            first, *controls = core.controls()
            _, said = decode(first)
        else:
            assert isinstance(core, ClientCore)
            _, said = decode(core.hello())
            assert self.receive(resumed(received, self.other)) == []
            if core.failure is not None:
                raise core.failure
            again, controls = core.again, core.controls()
        assert said["received"] == core.received
        return [*controls, *escape([delivery.message for delivery in again])]

    def restart(self, done: int, confirmed: int, *unconfirmed: str) -> None:
        """A new process has what was saved of this one."""
        del self.got[done:]
        outbox = make_outbox()
        outbox.restore(confirmed, [(message, size_of(message)) for message in unconfirmed])
        if isinstance(self.core, ClientCore):
            self.core = ClientCore(outbox, WIDE, done=done, session=ID)
        else:
            self.core = ServerCore(outbox, WIDE, done=done)

    def do(self, what: str, *words: str) -> list[Any]:
        """What the application, the network, or a timer does; returns what is sent then."""
        match what:
            case "<":
                before = self.core.received
                got = self.receive(*map(frame, words))
                sent = [message(word) for word in words if word.partition(":")[0] not in CONTROLS]
                assert got == sent[: self.core.received - before if self.core.failure else None]
            case "send":
                return self.send(*map(message, words))
            case "done":
                self.finish(int(words[0]))
            case "lost":
                self.core.disconnect()
            case "resume":
                return self.resume(*map(int, words))
            case "restart":
                self.restart(int(words[0]), int(words[1]), *words[2:])
            case _:
                getattr(self.core, what)()
        return []

    def follow(self, rule: Rule) -> None:
        for line in rule.lines:
            written: list[Any] = []
            failure: ProtocolError | None = None
            for action in line.does:
                try:
                    written += self.do(*action)
                except ProtocolError as error:
                    failure = error
            written += self.core.controls()
            assert written == [*map(frame, line.gives)], line.text
            failure = failure or self.core.failure
            assert (str(failure.code) if failure else "") == line.fails, line.text
            for name, value in line.shows.items():
                holder = self.core if hasattr(self.core, name) else self.core.outbox
                delivery = self.deliveries.get(name)
                seen = delivery.reason or delivery.state if delivery else getattr(holder, name)
                assert str(seen) == value, line.text


def message(word: str) -> str | bytes:
    """Of a rule's word: ``a``, ``a*9`` (nine of them), ``#9`` (nine bytes), or with ``␐``."""
    if word.startswith("#"):
        return bytes(int(word[1:]))
    text, _, times = word.partition("*")
    return text.replace("␐", DLE) * int(times or 1)


CONTROLS = ("ask", "ack", "resumed")


def frame(word: str) -> str | bytes:
    """What goes over the connection for a word: also ``ask``, ``ack:2`` or ``resumed:2``."""
    kind, _, number = word.partition(":")
    if kind in CONTROLS:
        return resumed(int(number)) if kind == "resumed" else encode(kind, int(number or 1))
    text = message(word)
    return DLE + text if isinstance(text, str) and text.startswith(DLE) else text


both_ends = pytest.mark.parametrize("kind", [ClientCore, ServerCore])

RULES = """
each end counts what arrives, but no controls
    < a ask #1 ␐ ack:0          > ack:0         ? received=3 done=0 confirmed=0
    < c d                                       ? received=5
each end counts what it sends
    send a ␐ #1                 > a ␐ #1
    < ack:2                                     ? confirmed=2
the answer comes before all else
    send a                      > a
    < b
    done 1; lost; done 1; acknowledge; ask
    resume 0                    > ack:1 a

who is asked acknowledges at once, also if nothing is new
    < ask                       > ack:0
    < a b c ask                 > ack:0
however often it is asked, one answer waits: who asks and does not read decides not how much is held
    < ask a ask ask ask; done 1 > ack:1
it acknowledges again as soon as all is done that it had when it was asked, and no third time
    < a b ask c d               > ack:0
    done 1
    done 2                      > ack:2
    done 3
    done 4
all that is done is acknowledged then
    < a ask b c                 > ack:0
    done 2                      > ack:2
what comes after the question does not put the answer off
    < a ask                     > ack:0
    < b
    done 1                      > ack:1
there is nothing to wait for when all was done
    < a
    done 1
    < ask                       > ack:1
    < b
    done 2
what is acknowledged is confirmed in order, and by the session
    send a b c                  > a b c
    < ack:2                                     ? a=session b=session c=SENT
    < ack:2 ack:3                               ? c=session
what is held is not what is done  [window=100,100]
    < #40 #40 #1
    done 1                      > ack:1
    < #1
    done 1
    done 2                      > ack:2
it is known when something is done that is to be acknowledged in some seconds
    < a                                         ? has_unacknowledged=False
    done 1                                      ? has_unacknowledged=True
    acknowledge                 > ack:1         ? has_unacknowledged=False
what is done without a connection is acknowledged over the next one
    < a b
    lost; done 2; acknowledge                   ? has_unacknowledged=True
    resume 0                    > ack:2         ? has_unacknowledged=False
an acknowledgement that may be lost is repeated over the next connection
    < a
    done 1; acknowledge         > ack:1
    resume 0                    > ack:1

there is something to ask for until it is asked for, or confirmed
    lost; resume 0                              ? has_unasked=False
    send a b                    > a b           ? has_unasked=True
    ask                         > ask           ? has_unasked=False
    send c                      > c             ? has_unasked=False
    < ack:0                                     ? has_unasked=True
    ask; < ack:0                > ask           ? has_unasked=False
    < ack:3                                     ? has_unasked=False
    send d e                    > d e
    < ack:4                                     ? has_unasked=True
    < ack:5                                     ? has_unasked=False
    send f                      > f             ? has_unasked=True
for the window it asks once for each half of what is unconfirmed  [other=8,1000000]
    send a b c                  > a b c         ? is_short_of_window=False
    send d                      > d             ? is_short_of_window=True
    ask                         > ask
    < ack:0
    send e f g                  > e f g         ? is_short_of_window=False
    send h                      > h             ? is_short_of_window=True
    ask                         > ask
    < ack:4                                     ? is_short_of_window=False is_window_half_full=True
over another connection it asks again, and then only for what is new
    send a                      > a
    ask; lost; ask
    resume 1                                    ? has_unasked=True
    ask; < ack:0                > ask           ? has_unasked=False
    send b                      > b             ? has_unasked=True
a question of the connection before is forgotten
    < a b ask                   > ack:0
    resume 0
    done 2
what was not sent of the controls is lost with the connection
    send a                      > a
    < b; ask; acknowledge; lost

no more is sent than the window of the other end  [other=3,10]
    send a b c d                > a b c
    send
    < ack:1
    send                        > d
    < ack:4
    send #6 #4 #1               > #6 #4
    < ack:5
    send                        > #1
nor more than its own bounds allow  [other=3,4 max_unconfirmed=2 max_unconfirmed_bytes=5]
    send a b c                  > a b
    < ack:2
    send ddd ee                 > c ddd
text counts in UTF-8  [other=100,10]
    send é*4 é a                > é*4 é
a single message may always be on its way  [other=5,10]
    send a*1000 b               > a*1000
    < ack:1
    send c*1000                 > b
    < ack:2
    send d                      > c*1000
    < ack:3
    send                        > d
a single message may always arrive  [window=5,10]
    < a*1000
    done 1                      > ack:1
    < a*1000
    done 2                      > ack:2
all of the window may be used, and not one message more  [window=3,100]
    < a b c
    < d                                         ! 4413 ? received=3
also between controls  [window=3,100]
    < ask a b c                 > ack:0
    < ask d                     > ack:0         ! 4413 ? received=3
nor one byte more  [window=100,10]
    < #6 #4
    < #1                                        ! 4413 ? received=2
also between controls, nor one byte  [window=100,10]
    < ask #6 #4                 > ack:0
    < ask #1                    > ack:0         ! 4413 ? received=2
what comes before one too much is received, else its sender decides how much is held  [window=3,100]
    < a b c d e f                               ! 4413 ? received=3
also behind a control  [window=3,100]
    < ask a b c d e f           > ack:0         ! 4413 ? received=3
there is room for what is done  [window=3,10]
    < #3 #3 #4
    done 2                      > ack:2
    < #3 #3
a message too large needs the window for itself  [window=3,10]
    < #1
    < #10                                       ! 4413 ? received=1
and nothing comes beside it  [window=3,10]
    < #11
    < #1                                        ! 4413 ? received=1

exactly what was not received is sent again, before what is new, and that confirms nothing
    send a b c d e              > a b c d e
    < ack:1
    resume 4                    > e             ? confirmed=1
    resume 2                    > c d e         ? confirmed=1
    resume 1                    > b c d e       ? confirmed=1
    resume 5                                    ? confirmed=1
    send f                      > f
    < ack:6                                     ? confirmed=6
what was never sent waits, and is not sent again  [other=2,100]
    send a b c                  > a b
    resume 1                    > b
    < ack:1
    send                        > c
there is nothing to be sent again where nothing was
    resume 0
what arrived before the loss is not received again
    < a b c
    done 1
    resume 0                    > ack:1         ? received=3 done=1
what the other end has acknowledged it has received
    send a b c d e              > a b c d e
    < ack:2
    resume 1                                    ! 4400 ? is_joined=False
what was not sent it cannot have received
    send a b c d e              > a b c d e
    < ack:2
    resume 6                                    ! 4400 ? is_joined=False

what is received and not done is lost with the process, and arrives again
    < a b c
    done 1
    restart 1 0                                 ? received=1 done=1
    resume 0                    > ack:1
    < b c ask                   > ack:1
    done 3                      > ack:3         ? received=3
what is unconfirmed outlives the process
    restart 0 3 d e                             ? confirmed=3
    resume 4                    > e
    resume 3                    > d e
    resume 5
    send f                      > f
    < ack:6                                     ? confirmed=6
a restored end knows too what was acknowledged
    restart 0 3 d e
    resume 2                                    ! 4400
and what was sent
    restart 0 3 d e
    resume 6                                    ! 4400
"""


CLIENTS_RULES = """
who has nothing unacknowledged need not wait for the answer
    send a                      > a             ? need_not_wait=False
    < ack:1                                     ? need_not_wait=True
    lost; hello; send b c       > b c
    < resumed:1                                 ? again=[]
    resume 2                    > c
    lost                                        ? again=[]
    resume 3
what comes right behind the first control is none of the answer
    lost; hello; send a         > a
    < resumed:1                                 ! 4400
who goes on with what was kept has to wait, until it knows how much the server takes  [other=1,1]
    restart 0 0; hello                          ? need_not_wait=False
    resume 0                                    ? need_not_wait=True
    send a b                    > a
"""

SERVERS_RULES = """
a refused resumption is a fault of one connection, and the session goes on over the other
    send a b c                  > a b c
    < ack:2
    resume 1 2                                  ! 4400 ? is_joined=True
    resume 4 2                                  ! 4400 ? is_joined=True
    resume 2                    > c             ? connection=2
one that is late changes nothing: its client has given that connection up, and has another one
    send a                      > a
    resume 0 3                  > a
    resume 1 0                                  ! 4409 ? is_joined=True
    resume 1 1                                  ! 4409 ? is_joined=True
    resume 1 2                                  ! 4409 ? is_joined=True
    resume 1 3                                  ! 4409 ? is_joined=True confirmed=0
    < ack:1                                     ? confirmed=1
"""


@both_ends
@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, kind: type[Core]) -> None:
    options: dict[str, Any] = {}
    for name, value in rule.options.items():
        numbers = [int(number) for number in value.split(",")]
        options[name] = Window(*numbers) if name in ("window", "other") else numbers[0]
    Joined(kind, **options).follow(rule)


@pytest.mark.parametrize("rule", parse(CLIENTS_RULES))
def test_rule_of_clients(rule: Rule) -> None:
    test_rule(rule, ClientCore)


@pytest.mark.parametrize("rule", parse(SERVERS_RULES))
def test_rule_of_servers(rule: Rule) -> None:
    test_rule(rule, ServerCore)


@both_ends
@pytest.mark.parametrize(
    ("window", "size", "each"),
    [
        *((Window(messages, 10**9), 1, 1) for messages in (1, 2, 3, 4, 5)),
        *((Window(messages, 10**9), 1, messages // 4) for messages in (8, 100, 1000)),
        (Window(10**4, 10**9), 1, 512),
        *((Window(10**6, total), 1, 1) for total in (1, 4, 7)),
        (Window(10**6, 400), 8, 13),
        (Window(10**6, 10**7), 200_000, 6),  # which is a mebibyte
    ],
)
def test_an_end_acknowledges_each_quarter_of_its_window_or_sooner_and_not_each_message(
    window: Window, size: int, each: int, kind: type[Core]
) -> None:
    end = Joined(kind, window)
    told = []
    for number in range(1, 4 * each):
        end.core.receive([b"a" * size])
        end.core.finish(number, 0)
        told += end.core.controls()
    assert told == [encode("ack", times * each) for times in (1, 2, 3)]


# How a session begins, and goes on


def test_a_session_is_opened_and_resumed() -> None:
    client, server = ClientCore(make_outbox(), Window(3, 30)), ServerCore(make_outbox(), WIDE)
    first = client.hello()
    assert decode(first) == ("open", {"window": [3, 30]})
    server.open(Hello.parse(first), ID, 12.5)
    (answer,) = server.controls()
    assert decode(answer) == ("opened", {"session": ID, "expires": 12.5, "window": [*WIDE]})
    assert (client.is_joined, client.session, client.need_not_wait) == (False, None, False)
    # Messages may follow at once.
    assert client.receive([answer, "a", encode("ask", 1), b"b"]) == ["a", b"b"]
    assert client.controls() == [encode("ack", 0)]
    assert (client.is_joined, client.session, client.expires) == (True, ID, 12.5)
    assert (client.again, client.failure, server.is_joined) == ([], None, True)

    for end in (client, server):
        end.disconnect()
        assert not end.is_joined
    said = {"session": ID, "connection": 2, "received": 2, "window": [3, 30]}
    assert decode(client.hello()) == ("resume", said)
    # Each is another one, also if there was no answer.
    hello = Hello.parse(client.hello())
    assert hello == Hello(ID, 2, Window(3, 30), 3)
    server.outbox.accept("a", 1)
    server.outbox.accept("b", 1)
    assert len(server.outbox.take()) == 2
    assert server.resume(hello, 7) == []
    (answer,) = server.controls()
    assert decode(answer) == ("resumed", {"received": 0, "expires": 7, "window": [*WIDE]})
    assert server.is_joined


def test_members_that_are_not_known_are_ignored() -> None:
    new = {"window": [1, 2], "new": {"a": [1]}}
    assert Hello.parse(encode("open", new)) == Hello(None, 0, Window(1, 2))
    told = {"session": ID, "connection": 4, "received": 5, **new}
    assert Hello.parse(encode("resume", told)) == Hello(ID, 5, Window(1, 2), 4)
    core = ClientCore(make_outbox(), WIDE)
    for answer in (
        encode("opened", {"session": ID, "expires": 1, **new}),
        encode("resumed", {"received": 0, "expires": 2, **new}),
    ):
        core.receive([answer])
        assert core.is_joined
        core.disconnect()
    assert core.expires == 2


# Failures


def lost(kind: type[Core]) -> Core:
    core = Joined(kind).core
    core.disconnect()
    return core


READERS: dict[str, Callable[[], Core | None]] = {
    "a server, first": lambda: None,
    "a server": lambda: Joined(ServerCore).core,
    "a lost server": lambda: lost(ServerCore),
    "a new client": lambda: ClientCore(make_outbox(), WIDE),
    "a client": lambda: Joined(ClientCore).core,
    "a lost client": lambda: lost(ClientCore),
}


def read(message: str | bytes, who: str) -> ProtocolError | None:
    """What is wrong with ``message`` for one of the readers, which then makes nothing of it."""
    core = READERS[who]()
    if core is None:
        try:
            Hello.parse(message)
        except ProtocolError as error:
            return error
        return None
    was_joined = core.is_joined
    arrived = core.receive([message])
    if core.failure is not None:
        assert (arrived, core.received, core.is_joined) == ([], 0, was_joined)
        assert core.controls() == []
    return core.failure


def without(name: str, members: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}


ONE = {"window": [1, 1]}
TO_RESUME = {"session": ID, "connection": 2, "received": 0, **ONE}
BOTH = {"session": ID, "received": 0, "expires": 1, **ONE}
ACKS = (encode("ack", 0), encode("ask", 1))
NO_ANSWER: list[str | bytes] = ["a message", b"a message", DLE * 2, *ACKS]

# What is none of what has to come first.
TOO_EARLY: dict[str, list[str | bytes]] = {
    "a server, first": [
        *("", "a message", b"a message", DLE.encode() + b'{"open":{"window":[1,1]}}'),
        *(DLE, DLE + "{", DLE + encode("open", ONE)),
        *(encode("open", value) for value in (1, {}, {"window": [0, 1]})),
        *(*ACKS, opened(), resumed(0)),
        *(encode("opened", BOTH), encode("resumed", BOTH)),
        *(encode("resume", {**TO_RESUME, "connection": wrong}) for wrong in (None, -1)),
        *(encode("resume", {**TO_RESUME, "received": wrong}) for wrong in (None, -1, 2**53)),
        *(encode("resume", {**TO_RESUME, "session": wrong}) for wrong in (None, "short")),
        encode("resume", {**TO_RESUME, "window": None}),
    ],
    "a new client": [
        *(*NO_ANSWER, encode("open", ONE), encode("opened", None)),
        *(opened([0, 1]), opened(session="short"), opened(expires=-1)),
        *(encode("opened", without(name, BOTH)) for name in ("session", "expires", "window")),
        *(resumed(0), encode("resumed", BOTH)),
    ],
    "a lost client": [
        *(*NO_ANSWER, opened(), encode("opened", BOTH), resumed(0, [1]), resumed(1)),
        *(encode("resumed", without(name, BOTH)) for name in ("received", "expires", "window")),
    ],
    "a lost server": NO_ANSWER,
}


@pytest.mark.parametrize(
    ("who", "message"), [(who, message) for who in TOO_EARLY for message in TOO_EARLY[who]]
)
def test_nothing_may_come_before_the_first_control(who: str, message: str | bytes) -> None:
    error = read(message, who)
    assert error is not None
    assert error.code == PROTOCOL_ERROR


@both_ends
@pytest.mark.parametrize(
    "wrong",
    [
        *(DLE, DLE + "{", DLE + " " + DLE, DLE + '{"ack":1,"ask":1}', encode("else", 1)),
        *(encode("open", ONE), encode("resume", without("connection", TO_RESUME))),
        *(opened(), resumed(2)),
        encode("ack", 1),  # is less than before
        encode("ack", 4),  # was not sent
        *(encode("ack", value) for value in (-1, 2**53, "2", None, True)),
    ],
)
def test_what_is_not_this_protocol_or_comes_at_the_wrong_time(wrong: str, kind: type[Core]) -> None:
    """After that nothing is heeded."""
    end = Joined(kind)
    core = end.core
    end.send(*"abc")
    end.receive(encode("ack", 2))
    assert end.receive("a", encode("ask", 1), "b", wrong, "c") == ["a", "b"]
    failure = core.failure
    assert failure is not None
    assert failure.code == PROTOCOL_ERROR
    for more in (["b"], [encode("ack", 3), "c"], [DLE]):
        assert core.receive(more) == []
    assert core.failure is failure
    assert (core.received, core.confirmed) == (2, 2)


# Both ends, over a network that loses connections


class Pipe:
    """One direction of a connection: what is written arrives in order, up to where it is cut."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.is_cut = False

    def write(self, frames: Iterable[Any]) -> None:
        if not self.is_cut:
            self.frames += frames

    def arrive(self, count: int) -> list[Any]:
        arrived, self.frames = self.frames[:count], self.frames[count:]
        return arrived

    def cut(self, count: int) -> None:
        """Only the next ``count`` ones will still arrive."""
        self.is_cut = True
        del self.frames[count:]


class Connection:
    def __init__(self, sent_before: int) -> None:
        self.up, self.down = Pipe(), Pipe()
        # How many messages the client had sent when it was made.
        self.sent_before = sent_before


class End:
    """An application, its end of the session, and what was saved of that."""

    def __init__(self, kind: type[Core], window: Window, bounds: dict[str, int | None]) -> None:
        self.kind = kind
        self.window = window
        self.bounds = bounds
        # What the application has sent and received, in this session.
        self.accepted: list[str | bytes] = []
        self.deliveries: list[Delivery | None] = []
        self.got: list[str | bytes] = []
        self.confirmed = 0  # at most, ever
        self.saved_done = self.saved_sent = self.saved_confirmed = self.saved_connection = 0
        self.session: str | None = None
        self.begin()

    def begin(self) -> None:
        """A process begins, where another one may have been."""
        confirmed, sent = self.saved_confirmed, self.saved_sent
        outbox = make_outbox(**self.bounds)
        messages = [(message, size_of(message)) for message in self.accepted[confirmed:sent]]
        self.deliveries = [*[None] * confirmed, *outbox.restore(confirmed, messages)]
        # Of what was not saved the other end knows nothing.
        del self.accepted[sent:], self.got[self.saved_done :]
        saved: dict[str, Any] = {"done": self.saved_done, "connection": self.saved_connection}
        if self.kind is ClientCore:
            saved["session"] = self.session
        self.core = self.kind(outbox, self.window, **saved)
        self.connection: Connection | None = None
        self.again: list[Delivery] = []

    def write(self, messages: Iterable[Any]) -> None:
        assert self.connection is not None
        pipe = self.connection.up if self.kind is ClientCore else self.connection.down
        pipe.write(messages)

    def disconnect(self) -> None:
        self.connection = None
        self.core.disconnect()
        self.again = []

    def accept(self, message: str | bytes) -> None:
        core, size = self.core, size_of(message)
        if core.is_joined and not self.again and core.outbox.is_clear(size):
            # As a queue does that need not wait.
            self.flush(0)
            delivery = core.outbox.accept_sent(message, size)
            self.saved_sent = core.outbox.sent
            self.write(escape([message]))
        else:
            try:
                delivery = core.outbox.accept(message, size)
            except QueueFull:
                return
        self.accepted.append(message)
        self.deliveries.append(delivery)

    def flush(self, at_most: int | None = None, *, is_last: bool = False) -> None:
        """Sends: first the controls, then what is sent again, then what was not sent before.

        All is saved before anybody can hear of it; the last time nobody does.
        """
        if not self.core.is_joined:
            return
        self.saved_done = self.core.done
        written: list[Any] = self.core.controls()
        again, self.again = self.again[:at_most], self.again[len(self.again[:at_most]) :]
        written += escape([delivery.message for delivery in again])
        if not self.again:
            batch = self.core.outbox.take(at_most)
            self.saved_sent = self.core.outbox.sent
            written += escape([delivery.message for delivery in batch])
        if not is_last:
            self.write(written)

    def send_again(self, again: list[Delivery], received: int, sent: int) -> None:
        """Which has to be exactly the rest."""
        assert again == self.deliveries[received:sent]
        self.again = list(again)


ALL = 10**9
windows = st.builds(
    Window, st.sampled_from([1, 2, 3, 4, 9, 100]), st.sampled_from([1, 4, 15, 40, 100, 10**6])
)
bounds = st.fixed_dictionaries(
    {
        "max_pending": st.sampled_from([None, None, 3]),
        "max_unconfirmed": st.sampled_from([None, None, 1, 2, 5]),
        "max_unconfirmed_bytes": st.sampled_from([None, None, 1, 10, 50]),
    }
)
is_client = st.booleans()
# Most have a number put after them.
kinds = st.sampled_from(
    [
        *("", "", "é\u20ac\U0001f600", "a" * 30, DLE, DLE * 2 + "x", encode("ack", 1), opened()),
        *(b"", b"", DLE.encode(), b"a" * 50),
    ]
)
contents = st.lists(st.tuples(kinds, st.sampled_from([True, True, False])), min_size=1, max_size=4)
counts = st.sampled_from([0, 1, 1, 2, 3, 10, ALL, ALL])


class Network(RuleBasedStateMachine):
    """Whatever becomes of connections and processes, each message arrives once, and in order.

    What the applications have accepted and got is counted here, apart from the cores.
    """

    @initialize(windows=st.tuples(windows, windows), bounds=st.tuples(bounds, bounds))
    def begin(self, windows: tuple[Window, Window], bounds: Any) -> None:
        logging.getLogger("readystate").disabled = True
        self.windows, self.bounds = windows, bounds
        self.client = End(ClientCore, windows[0], bounds[0])
        self.server: End | None = None
        self.hellos: list[Connection] = []
        """Those that the server has not heard anything over."""
        self.names = itertools.count()

    @property
    def ends(self) -> list[End]:
        return [self.client] if self.server is None else [self.client, self.server]

    def end(self, is_client: bool) -> End:
        return self.client if is_client or self.server is None else self.server

    def other(self, end: End) -> End | None:
        return self.server if end is self.client else self.client

    # What the applications do

    @rule(is_client=is_client, contents=contents)
    def accept(self, is_client: bool, contents: list[tuple[str | bytes, bool]]) -> None:
        for kind, is_named in contents:
            name = str(next(self.names)) if is_named else ""
            self.end(is_client).accept(
                kind + name if isinstance(kind, str) else kind + name.encode()
            )

    @rule(is_client=is_client, count=counts)
    def finish(self, is_client: bool, count: int) -> None:
        end = self.end(is_client)
        done = min(end.core.done + count, len(end.got))
        end.core.finish(done, sum(map(len, end.got[done:])))

    # What the ends do, or their timers

    @rule(is_client=is_client, at_most=st.sampled_from([None, None, 0, 1, 3]))
    def flush(self, is_client: bool, at_most: int | None) -> None:
        self.end(is_client).flush(at_most)

    @rule(is_client=is_client)
    def ask(self, is_client: bool) -> None:
        """A question is about what was sent before it, so first that is."""
        end = self.end(is_client)
        if not end.again:
            end.core.ask()

    @rule(is_client=is_client)
    def acknowledge(self, is_client: bool) -> None:
        self.end(is_client).core.acknowledge()

    @rule(is_client=is_client)
    def save(self, is_client: bool) -> None:
        """What is confirmed may be saved late."""
        end = self.end(is_client)
        end.saved_confirmed = end.core.confirmed

    @precondition(lambda self: self.client.connection is None)
    @rule(ahead=st.integers(0, 3))
    def connect(self, ahead: int = 0) -> None:
        """Perhaps with some messages right behind the first control."""
        client, core = self.client, self.client.core
        assert isinstance(core, ClientCore)
        client.connection = Connection(core.outbox.sent)
        self.hellos.append(client.connection)
        need_not_wait = core.need_not_wait
        client.write([core.hello()])
        client.saved_connection = core.connection
        batch = core.outbox.take(ahead) if need_not_wait else []
        client.saved_sent = core.outbox.sent
        client.write(escape([delivery.message for delivery in batch]))

    @rule(is_client=is_client)
    def notice_a_loss(self, is_client: bool) -> None:
        """That there was one, or that nothing was heard for too long."""
        self.end(is_client).disconnect()

    @precondition(lambda self: any(end.got for end in self.ends))
    @rule(is_client=is_client, is_in_the_midst=st.booleans())
    def crash(self, is_client: bool, is_in_the_midst: bool) -> None:
        """A process ends, perhaps after it has saved something and before it has sent it."""
        end = self.end(is_client)
        if is_in_the_midst:
            end.flush(is_last=True)
        if end.connection is not None and end is not self.client:
            end.connection.down.cut(ALL)
        end.begin()

    # What the network does

    @rule(is_client=is_client, count=counts)
    def arrive(self, is_client: bool, count: int) -> None:
        end = self.end(is_client)
        if end.connection is None:
            return
        core, had_joined = end.core, end.core.is_joined
        pipe = end.connection.down if end is self.client else end.connection.up
        arrived = pipe.arrive(count)
        messages = core.receive(arrived)
        if isinstance(core, ClientCore) and core.is_joined and not had_joined:
            end.session = core.session
            _, said = decode(arrived[0])
            end.send_again(core.again, said.get("received", 0), end.connection.sent_before)
        self.get(end, messages)

    def get(self, end: End, messages: list[Any]) -> None:
        other = self.other(end)
        for message in messages:
            assert other is not None
            expected = other.accepted[len(end.got)]
            assert (message, type(message)) == (expected, type(expected))
            end.got.append(message)

    @precondition(lambda self: self.hellos)
    @rule(place=st.integers(0, 3))
    def hello_arrives(self, place: int) -> None:
        """Perhaps long after the client has given the connection up, and has another one."""
        connection = self.hellos.pop(place % len(self.hellos))
        is_late = connection is not self.client.connection
        arrived = connection.up.arrive(ALL)
        if not arrived:
            return
        hello = Hello.parse(arrived[0])
        again: list[Delivery] = []
        if hello.session is None:
            if is_late:
                return  # Nobody will know of that session.
            self.server = End(ServerCore, self.windows[1], self.bounds[1])
            self.server.session = f"the-session-number-{next(self.names)}"
        server = self.server
        assert server is not None
        core, was_joined = server.core, server.core.is_joined
        assert isinstance(core, ServerCore)
        if hello.session is None:
            core.open(hello, str(server.session), 60)
        else:
            assert hello.session == server.session
            try:
                again = core.resume(hello, 60)
            except ProtocolError:
                assert is_late
                assert core.is_joined == was_joined
                return
        server.connection, server.saved_connection = connection, hello.connection
        server.send_again(again, hello.received, core.outbox.sent)
        self.get(server, core.receive(arrived[1:]))

    # Several of these at once, so that there is more to be lost

    @rule(is_client=is_client, at_most=st.sampled_from([None, None, 0, 1, 3]), count=counts)
    def exchange(self, is_client: bool, at_most: int | None, count: int) -> None:
        self.flush(is_client, at_most)
        self.arrive(not is_client, count)

    @rule(contents=contents, is_client=is_client, count=counts)
    def accept_and_exchange(
        self, contents: list[tuple[str | bytes, bool]], is_client: bool, count: int
    ) -> None:
        self.accept(is_client, contents)
        self.exchange(is_client, None, count)

    @rule()
    def give_up_and_connect_again(self) -> None:
        self.client.disconnect()
        self.connect()

    @rule()
    def reconnect(self) -> None:
        self.give_up_and_connect_again()
        self.hello_arrives(len(self.hellos) - 1)
        self.exchange(False, None, ALL)

    @precondition(lambda self: self.server is not None and self.client.session is not None)
    @rule(count=st.integers(3, 12))
    def a_connection_dies_early(self, count: int) -> None:
        """Each brings the session further, however few messages get through before that."""
        server = self.server
        assert server is not None
        self.finish(False, ALL)
        self.give_up_and_connect_again()
        self.hello_arrives(len(self.hellos) - 1)
        self.exchange(False, None, ALL)
        before = len(server.got)
        assert self.client.core.confirmed == before
        self.exchange(True, None, count)  # with up to two controls
        assert len(server.got) > before or server.got == self.client.accepted

    @rule(place=st.integers(0, 5), is_up=st.booleans(), count=counts)
    def cut(self, place: int, is_up: bool, count: int) -> None:
        connections = [*self.hellos, *(end.connection for end in self.ends if end.connection)]
        if connections:
            connection = connections[place % len(connections)]
            (connection.up if is_up else connection.down).cut(count)

    # What is always true

    @invariant()
    def there_is_no_failure(self) -> None:
        for end in self.ends:
            assert end.core.failure is None

    @invariant()
    def the_counts_are_exact(self) -> None:
        for end in self.ends:
            core = end.core
            assert core.received == len(end.got)
            assert core.outbox.sent + core.outbox.pending == len(end.accepted)

    @invariant()
    def what_is_confirmed_is_done_and_will_not_come_again(self) -> None:
        for end in self.ends:
            other = self.other(end)
            done = other.saved_done if other is not None else 0
            assert end.core.confirmed <= done

    @invariant()
    def what_is_unconfirmed_is_kept(self) -> None:
        for end in self.ends:
            confirmed, sent = end.core.confirmed, end.core.outbox.sent
            for number, delivery in enumerate(end.deliveries):
                if delivery is not None:
                    state = CONFIRMED if number < confirmed else SENT if number < sent else QUEUED
                    assert (delivery.state, delivery.message) == (state, end.accepted[number])
            assert end.core.outbox.unfinished() == end.accepted[confirmed:]

    @invariant()
    def the_windows_are_kept(self) -> None:
        for end in self.ends:
            self.check_window(end.got[end.core.done :], end.window)
            end.confirmed = max(end.confirmed, end.core.confirmed)
            other = self.other(end)
            if other is not None and end.session is not None:
                # Of what a process before has heard, this one may not know.
                sent = end.accepted[end.confirmed : end.core.outbox.sent]
                self.check_window(sent, other.window)
                most, size = end.bounds["max_unconfirmed"], end.bounds["max_unconfirmed_bytes"]
                self.check_window(sent, Window(most or 10**9, size or 10**9))

    @invariant()
    def who_may_not_send_has_asked_or_will(self) -> None:
        """Else both ends would wait forever."""
        for core in (end.core for end in self.ends):
            if core.outbox.unconfirmed >= core.outbox._window.messages:
                assert core.is_short_of_window or core._asked_about > core.confirmed

    def check_window(self, messages: Sequence[str | bytes], window: Window) -> None:
        assert len(messages) <= window.messages
        assert len(messages) <= 1 or sum(map(size_of, messages)) <= window.size

    @precondition(lambda self: any(end.core.outbox.unconfirmed > 3 for end in self.ends))
    @rule(at_a_time=st.sampled_from([1, ALL]))
    def it_is_quiet(self, at_a_time: int) -> None:
        """Then all arrives, is done, and is confirmed, as long as somebody asks."""
        connection = self.client.connection
        is_whole = connection and not (connection.up.is_cut or connection.down.is_cut)
        if not is_whole or self.server is None or self.server.connection is not connection:
            for end in self.ends:
                end.disconnect()
            self.hellos.clear()
            self.connect()
            self.hello_arrives(0)
            assert self.server is not None
        most = 10 + 4 * sum(len(end.accepted) for end in self.ends)
        for _ in range(most):
            is_over = all(end.core.confirmed == len(end.accepted) for end in self.ends)
            for is_client in (True, False):
                self.flush(is_client, None)
                if self.end(is_client).core.has_unasked:
                    self.ask(is_client)
                    self.flush(is_client, None)
                self.arrive(not is_client, ALL)
                self.finish(not is_client, at_a_time)
                self.flush(not is_client, 0)
                self.arrive(is_client, ALL)
            self.there_is_no_failure()
            if is_over:
                break
        for end, other in (self.ends, self.ends[::-1]):
            assert other.got == end.accepted
            assert end.core.confirmed == other.core.done == len(end.accepted)
            assert (end.core.outbox.pending, end.core.outbox.unconfirmed) == (0, 0)
            assert end.core.controls() == []

    def teardown(self) -> None:
        logging.getLogger("readystate").disabled = False
        if hasattr(self, "names"):
            self.it_is_quiet(1)


Network.TestCase.settings = settings(
    stateful_step_count=80,
    phases=set(Phase) - {Phase.explain},  # It would take minutes.
    report_multiple_bugs=False,
)
TestNetwork = Network.TestCase


# An end, and another one that does whatever it likes

small = st.integers(-1, 8)
wild = (
    st.sampled_from(["a", "", b"b", b"", "é" * 5, b"a" * 9, DLE, DLE * 2, DLE * 2 + "{", DLE + "{"])
    | st.builds(encode, st.sampled_from(["ack", "ask", "open", "opened", "else"]), small)
    | small.map(resumed)
    | st.just(opened())
    | st.text(max_size=5).map(lambda text: DLE + text)
)
well_formed = st.sampled_from(["a", b"b", b"a" * 5, DLE * 2, encode("ask", 1)]) | small.map(
    lambda number: encode("ack", max(0, number))
)
steps = st.lists(
    st.tuples(st.just("arrive"), st.lists(well_formed, max_size=6))
    | st.tuples(st.just("arrive"), st.lists(well_formed | wild, max_size=6))
    | st.tuples(st.sampled_from(["done", "send", "resume"]), st.integers(0, 4)),
    max_size=25,
)


@given(
    is_client=is_client,
    window=st.builds(Window, st.integers(1, 5), st.integers(1, 12)),
    other=st.builds(Window, st.integers(1, 5), st.integers(1, 12)),
    steps=steps,
)
def test_whatever_arrives_an_end_keeps_its_counts_and_its_bounds(
    is_client: bool, window: Window, other: Window, steps: list[tuple[str, Any]]
) -> None:
    end = Joined(ClientCore if is_client else ServerCore, window, other)
    core, got = end.core, end.got
    sent = 0
    for what, value in steps:
        confirmed, received = core.confirmed, core.received
        failure, is_joined = core.failure, core.is_joined
        if what == "arrive":
            end.receive(*value)
        elif what == "done":
            end.finish(min(core.done + value, len(got)))
        elif what == "send" and is_joined:
            sent += len(end.send(*"abcd"[:value]))
        elif what == "resume":
            try:
                again = end.resume(value)
            except ProtocolError:
                assert failure is not None or not confirmed <= value <= sent
                assert not core.is_joined
            else:
                assert sum(frame[:2] != DLE + "{" for frame in again) == sent - value

        # Nothing was received but what the application got.
        assert core.received == len(got) >= received
        assert core.done <= len(got)
        assert core.outbox.sent == sent
        assert confirmed <= core.confirmed <= sent
        assert core.outbox.unconfirmed == sent - core.confirmed
        held = got[core.done :]
        assert len(held) <= window.messages
        assert len(held) <= 1 or sum(map(len, held)) <= window.size
        if failure is not None:
            assert core.failure is failure
            assert (core.received, core.confirmed) == (received, confirmed)
        if core.failure is not None:
            assert core.failure.code in (PROTOCOL_ERROR, TOO_MUCH)
        # An acknowledgement for each question, not for each message; and nothing that grows.
        assert len(core.controls()) <= 2 * len(value if what == "arrive" else [1])
