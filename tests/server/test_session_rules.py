"""What a server promises its handler and its clients, rule by rule; see tests/plays.py."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from readystate import ConnectionClosed, SessionExpired
from readystate.session.control import decode, encode
from readystate_server.sessions import MemoryStore, ServerSession
from readystate_server.sessions.bucket import Turns
from readystate_server.sessions.stats import Ages
from readystate_server.sessions.store import Message
from tests.plays import Stage, message, number, repeated, word
from tests.server.session_server import Server, hooked, resume
from tests.server.wires import MemoryEnd
from tests.unit.rules import Rule, follow, parse


class SlowStore(MemoryStore):
    """Works when the test lets it, fails when the test has it fail, and counts what is claimed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        waits = dict.fromkeys(("create", "save", "delete"), self._wait)
        hooked(self, claim=self._claim, **waits)
        self.works = asyncio.Event()
        self.works.set()
        self.error: Exception | None = None
        self.claims = 0

    def change(self, how: str) -> None:
        """Has it ``wait``, ``fail`` or ``work`` from now on."""
        self.error = OSError("out of reach") if how == "fail" else None
        self.works.clear() if how == "wait" else self.works.set()

    async def _wait(self, *_: Any, **__: Any) -> None:
        await self.works.wait()
        if self.error is not None:
            raise self.error

    async def _claim(self, *_: Any) -> None:
        self.claims += 1
        await self._wait()


class Play(Stage):
    """Two servers with one store, whose handlers do what they are told, and a client's end.

    The client can ``open`` a session, ``resume`` it after so many messages, over the next
    connection or over that with another number, ``guess`` its secret, ``connect`` and say nothing,
    ``say`` something, ``stall`` so that it takes nothing more until it lets that ``flow``,
    ``lose`` its connection, and ``leave 4001 why``. A handler can ``recv``, ``send``, ``drain``,
    ``close 4000 why``, ``return``, ``fail``, or ``raise`` what was raised to it.
    ``server 2`` is where the next connections are made.
    The ``store`` can ``wait``, ``fail`` and ``work``.
    """

    at_once = (
        *("open", "first", "resume", "guess", "connect", "say", "stall", "flow", "lose", "leave"),
        *("return", "fail", "raise", "cancel_handler", "server", "store"),
    )

    def __init__(self, options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        for kind in (Turns, Ages):
            monkeypatch.setattr(kind.__init__, "__defaults__", (self.clock,))
        given = {name: number(value) for name, value in options.items()}
        window = given.pop("clients_window", "1000,1000000")
        self.window = [*map(int, window.split(","))]
        self.suppressed = (asyncio.CancelledError,) if given.pop("is_stubborn", False) else ()
        self.store = SlowStore(clock=self.clock)
        self.settings: dict[str, Any] = {"store": self.store, "resume_burst": 100, **given}
        self.servers: dict[str, Server] = {}
        self.number = "1"
        self.session: ServerSession
        self.secret = ""
        self.connection = 1
        self.wires: list[MemoryEnd] = []
        self.ended: list[MemoryEnd] = []

    @property
    def server(self) -> Server:
        if self.number not in self.servers:
            self.servers[self.number] = Server(self.handle, **self.settings)
        return self.servers[self.number]

    async def handle(self, session: ServerSession) -> None:
        self.session = session
        self.order = self.loop.create_future()
        with contextlib.suppress(*self.suppressed):
            order = await self.order
            if order == "fail":
                raise LookupError("a mistake")
            if order == "raise" and self.error is not None:
                raise self.error

    async def end(self) -> None:
        self.store.change("work")
        for name, server in self.servers.items():
            self.tasks[name] = asyncio.ensure_future(server.sessions.close())
        await self.pass_time(1000)
        await super().end()

    # What is done

    async def done(self, actions: list[str]) -> None:
        await super().done(actions)
        for count, wire in enumerate(self.wires, 1):
            await self.hear(wire, "" if wire is self.wires[-1] else f"{count}:")

    async def hear(self, wire: MemoryEnd, which: str) -> None:
        """Tells what has come over a connection, and its end if that is not the client's."""
        while not wire._queue.empty():
            got = wire._queue.get_nowait()
            if got is not None:
                self.seen.append(f"{which}{word(got)}")
                if not self.secret:
                    self.secret = decode(str(got))[1]["session"]
            elif wire.close_code is not None:
                self.seen.append(f"{which}END:{wire.close_code}")
            elif wire not in self.ended:
                self.seen.append(f"{which}LOST")

    def do_at_once(self, what: str, *words: str) -> None:
        match what:
            case "open":
                self.connect(encode("open", {"window": self.window}))
            case "first":
                self.connect(message(words[0]))
            case "resume":
                self.connection = int(words[1]) if words[1:] else self.connection + 1
                said = {"session": self.secret, "connection": self.connection}
                self.connect(
                    encode("resume", {**said, "received": int(words[0]), "window": self.window})
                )
            case "guess":
                self.connect(resume("x" * 43))
            case "connect":
                self.wires.append(self.server.connect())
            case "stall":
                self.wires[-1].peer.takes.clear()
            case "flow":
                self.wires[-1].peer.takes.set()
            case "say":
                for each in words:
                    self.wires[-1].peer._queue.put_nowait(message(each))
            case "lose":
                self.ended.append(self.wires[-1])
                self.wires[-1].abort()
            case "leave":
                code, *reason = words
                wire = self.wires[-1]
                self.ended.append(wire)
                wire.peer.close_code, wire.peer.close_reason = int(code), " ".join(reason)
                wire._finish()
            case "return" | "fail" | "raise":
                self.order.set_result(what)
            case "cancel_handler":
                self.order.cancel()
            case "server":
                self.number = words[0]
            case "store":
                self.store.change(words[0])

    def connect(self, first: Message) -> None:
        self.wires.append(self.server.connect())
        self.wires[-1].peer._queue.put_nowait(first)

    async def call(self, what: str, *words: str) -> str:
        session = self.session
        match what:
            case "recv":
                return word(await session.recv())
            case "send":
                self.deliveries[words[0]] = await session.send(message(words[0]))
            case "close":
                code, *reason = words or ["1000"]
                await session.close(int(code), *map(repeated, reason))
            case "shut":
                await self.server.sessions.close()
            case "message_id":
                return session.message_id
            case _:
                await getattr(session, what)()
        return "done"

    def look(self, name: str) -> object:
        match name:
            case "in_hand":
                return self.session.message_id.rpartition("-")[2]
            case "end":
                ends = [end for server in self.servers.values() for end in server.ends]
                return ",".join("done" if end is None else type(end).__name__ for end in ends)
            case "sessions":
                return ",".join(str(len(server.sessions)) for server in self.servers.values())
            case "claims":
                return self.store.claims
            case "reason":
                return self.wires[-1].close_reason.replace(" ", "_")
            case "unconfirmed":
                assert isinstance(self.error, SessionExpired)
                return ",".join(map(word, self.error.unconfirmed))
            case "raised":
                assert isinstance(self.error, ConnectionClosed)
                return self.error.reason.replace(" ", "_")
            case "health":
                health = self.server.sessions.health()
                return bool(health) or ",".join(health.problems).replace(" ", "_")
            case "refused":
                refused = self.server.sessions.stats.refused
                return ",".join(f"{limit}:{count}" for limit, count in refused.items())
        if name in self.deliveries:
            return super().look(name)
        stats = self.server.sessions.stats
        return getattr(stats, name) if hasattr(stats, name) else getattr(self.session, name)


RULES = """
a message is done when the handler comes back for the next one, which is acknowledged soon
    open; message_id                > ␐opened message_id:RuntimeError
    say a b; recv; pass 2           > recv:a        ? in_hand=1
    recv; pass 2                    > recv:b ␐ack:1 ? in_hand=2
    recv; pass 2                    > ␐ack:2
or with a message
    open; say a; recv; recv; pass 0.5 > ␐opened recv:a
    send x                          > send:done ␐ack:1 x
or when it is asked
    open; say a ␐ask; recv          > ␐opened ␐ack:0 recv:a
    recv                            > ␐ack:1
and then no more, when that was due
    open; say a; recv; recv         > ␐opened recv:a
    say ␐ask                        > ␐ack:1
    pass 2
nor with a message
    open; say a; recv; recv; say ␐ask; pass 0.5 > ␐opened recv:a ␐ack:1
    send x                          > send:done x
or when the session is closed: by its handler, which returns
    open; say a; recv; return       > ␐opened recv:a ␐ack:1 END:1000 ? end=done sessions=0
what it has sent is waited for
    open; send x; return            > ␐opened send:done x ␐ask
    say ␐ack:1                      > ␐ack:0 END:1000 ? x=session
or closes it
    open; say a; recv; close 4000 enough > ␐opened recv:a close:done ␐ack:1 END:4000
    recv; send x; close > recv:ConnectionClosedError send:ConnectionClosedError close:done
but not for longer than it may  [close_timeout=5]
    open; send x; close             > ␐opened send:done x ␐ask
    pass 5                          > close:done ␐ack:0 END:1000 ? x=session_ended
what no close frame may have is refused
    open; close 999; close 1001     > ␐opened close:ValueError close:ValueError
    close 5000; close 1000 é*62     > close:ValueError close:ValueError ? sessions=1
one task receives, and may give up
    open; recv; cancel recv; recv; recv > ␐opened recv:ConcurrencyError
    say a; recv                     > recv:a
    say b and cancel recv; recv     > recv:b

send() is possible without a connection
    open; lose; send x              > ␐opened send:done ? x=QUEUED is_connected=False
    resume 0                        > ␐resumed:0 x  ? is_connected=True
    say ␐ack:1                                      ? x=session
it waits while too much waits, and keeps the order  [max_pending=2 max_pending_bytes=10]
    open; lose; send 12345678; send 123; send 4 > ␐opened send:done
    resume 0                        > send:done send:done ␐resumed:0 12345678 123 4
one message may always wait  [max_pending_bytes=2]
    open; lose; send long           > ␐opened send:done
the client's window is kept  [clients_window=2,1000]
    open; send a; send b; send c    > ␐opened send:done a ␐ask send:done b send:done
    say ␐ack:2                      > c ␐ask        ? b=session
drain waits until the client is done with all
    open; send a; drain             > ␐opened send:done a ␐ask
    say ␐ack:1                      > drain:done

what came before the client's end is still received
    open; say a b; leave 1000       > ␐opened
    recv; recv; recv                > recv:a recv:b recv:ConnectionClosedOK
what it has sent, and what waits for room, ends with it  [max_pending=1 max_unconfirmed=1]
    open; send a; send b; send c    > ␐opened send:done a ␐ask send:done
    leave 1000                      > send:ConnectionClosedOK ? a=session_ended b=session_ended
another end raises
    open; leave 4001 mine; recv     > ␐opened recv:ConnectionClosedError
what is no end of the session is none: 1001
    open; leave 1001; resume 0      > ␐opened ␐resumed:0 ? sessions=1
1006
    open; lose; resume 0            > ␐opened ␐resumed:0 ? sessions=1
a handler that is cancelled ends the session
    open; cancel_handler            > ␐opened END:4411
so does one that fails, and is not done with its message
    open; say a b; recv; recv; fail > ␐opened recv:a recv:b END:4411 ? end=LookupError sessions=0
    resume 0                        > END:4404
nothing is received or sent when it has expired  [expires=10]
    open; send x; say a b; recv     > ␐opened send:done x recv:a
    lose; send #y; pass 10          > send:done     ? x=session_ended #y=session_ended expired=1
    send z; drain; recv             > send:SessionExpired drain:SessionExpired recv:SessionExpired
                                    ? unconfirmed=x,#y raised=the_client_did_not_reconnect_in_time
    raise; resume 0                 > END:4404      ? end=SessionExpired
                                    ? reason=expired:_this_server_no_longer_has_this_session
with a connection it does not  [expires=10]
    open; pass 100; say a; recv     > ␐opened recv:a ? sessions=1
who acknowledges nothing for too long loses its connection  [ack_timeout=3 max_unconfirmed=1]
    open; send a; send b; pass 2    > ␐opened send:done a ␐ask send:done
    say ␐ask; pass 1                > ␐ack:0 END:1013 ? sessions=1
and its session, if it does not come back  [ack_timeout=3 max_unconfirmed=1 expires=10]
    open; send a; send b; pass 3    > ␐opened send:done a ␐ask send:done END:1013
    pass 10                         ? a=session_ended b=session_ended sessions=0
who does so slowly is left in peace  [ack_timeout=3 max_unconfirmed=1]
    open; send a; send b; send c    > ␐opened send:done a ␐ask send:done send:done
    pass 2; say ␐ack:1; pass 2; say ␐ack:2 > b ␐ask c ␐ask
too much ends the session: messages  [window=2]
    open; say a b                   > ␐opened
    say c                           > END:4413      ? sessions=0
bytes  [window_bytes=4]
    open; say #abc #de              > ␐opened END:4413 ? sessions=0
of one message  [max_message=4]
    open; say abcd abcde            > ␐opened END:4413 ? sessions=0
who asks and does not read loses its connection, and then its session  [ack_timeout=3 expires=10]
    open; stall; say ␐ask ␐ask; pass 5 > ␐opened LOST ? sessions=1
    pass 10; recv                   > recv:SessionExpired ? sessions=0
and gets one answer to all
    open; stall; send x; say ␐ask ␐ask ␐ask > ␐opened send:done
    flow                            > x ␐ack:0
who does not take the close frame loses its connection  [close_timeout=5]
    open; stall; say ␐ack:1; pass 5 > ␐opened LOST
what breaks the protocol ends the session
    open; say ␐ack:1; recv          > ␐opened END:4400 recv:ConnectionClosedError ? sessions=0
    resume 0                        > END:4404
a resumption that has received what cannot be changes nothing: here
    open; send a; send b; say ␐ack:1 > ␐opened send:done a send:done b
    lose; resume 0                  > END:4400
    resume 3                        > END:4400
    resume 1                        > ␐resumed:0 b
or elsewhere
    open; send a; send b; say ␐ack:1 > ␐opened send:done a send:done b
    send c; lose; server 2          > send:done c
    resume 0; resume 4              > END:4400 END:4400
    resume 1                        > ␐resumed:0 b c

a resumption that is late, of a connection that the client has given up, disturbs nobody: here
    open; resume 0 1000             > ␐opened 1:END:4409 ␐resumed:0
    resume 0 999; resume 0 1000     > END:4409 END:4409 ? is_connected=True
or elsewhere
    open; resume 0 1000; server 2   > ␐opened 1:END:4409 ␐resumed:0
    resume 0 999; resume 0 1000     > END:4409 END:4409 ? is_connected=True
one that no process knows is refused, who might have had it
    open; lose; pass 200; server 2; resume 0 > ␐opened END:4404
                                    ? reason=there_is_no_such_session
or cannot be of another process, whose sessions are its own  [store=None]
    open; lose; server 2; resume 0  > ␐opened END:4404
                                    ? reason=forgotten:_this_server_never_had_this_session
of many resumptions at once the last wins: here
    open; resume 0 and resume 0 and resume 0 > ␐opened 1:END:4409 2:END:4409 3:END:4409 ␐resumed:0
                                    ? is_connected=True _epoch=1
or elsewhere, where it is claimed once
    open; lose; server 2; store wait; resume 0 and resume 0 and resume 0 > ␐opened
    store work                      > 2:END:4409 3:END:4409 ␐resumed:0
                                    ? is_connected=True _epoch=2 claims=1
a connection that takes nothing more, and of which nobody knows, does not hold up the next one
    open; stall; send x; resume 0   > ␐opened send:done ␐resumed:0 x
another process goes on, with what was not done, and what was not confirmed
    open; say a b; recv; recv; send x > ␐opened recv:a recv:b send:done x
    lose; server 2; resume 0        > ␐resumed:1 ␐ack:1 x ? is_resumed=True
    say b; recv                     > recv:b        ? in_hand=2
    pass 100                                        ? sessions=0,1 x=taken_over
within the client's window  [clients_window=2,1000]
    open; send a; send b; send c    > ␐opened send:done a ␐ask send:done b send:done
    lose; server 2; resume 0        > ␐resumed:0 a b ␐ask
the process that was left closes the connection that it still has
    open; server 2; resume 0        > ␐opened ␐resumed:0
    pass 100                        > 1:END:4409
it comes back to a process that has had it, and is never unknown  [unknown_burst=1 unknown_rate=0]
    open; say a; recv; recv; send x > ␐opened recv:a send:done x
    lose; server 2; resume 1        > ␐resumed:1 ␐ack:1
    say b; recv; recv; send y       > recv:b send:done y
    lose; server 1; resume 2        > recv:ConnectionClosedError ␐resumed:2 ␐ack:2
    say c; recv; recv; send z       > recv:c send:done z
    lose; server 2; resume 3        > recv:ConnectionClosedError ␐resumed:3 ␐ack:3
shutting down closes with 1001, and leaves the session to others
    connect; open; send x; shut     > ␐opened send:done x shut:done 1:LOST END:1001
    connect                         > END:1001      ? x=taken_over end=CancelledError sessions=0
                                    ? health=the_server_is_going_away:_close()_was_called
    server 2; resume 0              > ␐resumed:0 x
also if its handler returns when it is cancelled  [is_stubborn]
    open; shut                      > ␐opened shut:done END:1001 ? end=done
    server 2; resume 0              > ␐resumed:0

who comes at once is let in one after the other, in turns  [connect_rate=0.5]
    open; open; open                > ␐opened       ? opened=1 waiting=2
    pass 2                          > 2:␐opened
    pass 2                          > ␐opened       ? opened=3 waiting=0
those that a busy process is late for do not come at once  [connect_rate=0.5]
    open; open; open; late 30       > ␐opened 2:␐opened ? waiting=1
    open; pass 2                    > 3:␐opened
    pass 2                          > ␐opened
one that it is a little late for puts off no other  [connect_rate=0.5]
    open; open; open; late 2.05     > ␐opened 2:␐opened ? waiting=1
    pass 1.95                       > ␐opened
who resumes takes a turn too, and is refused if that would be too far  [connect_rate=0.0001]
    open; resume 0                  > ␐opened END:1013 ? connected=1
and counted, which passes by itself  [connect_rate=0.0001]
    open; open; open                > ␐opened END:1013 END:1013 ? opened=1 waiting=0 health=True
                                    ? refused=connect_rate:2
            ? reason=too_many_connections_at_once:_try_again_later_(connect_rate)
what begins no session takes none  [connect_rate=0.0001]
    first hello; open               > END:4400 ␐opened
shutting down ends those that wait  [connect_rate=0.25]
    open; open; shut                > ␐opened shut:done 1:END:1001 END:1001 ? waiting=0
sessions are counted by what they do  [expires=10]
    open; open                      > ␐opened ␐opened ? connected=2 opened=2 resumed=0
    lose; resume 0                  > 1:END:4409 ␐resumed:0 ? connected=1 disconnected=1 resumed=1
    pass 10                                         ? connected=1 disconnected=0 expired=1
what is not acknowledged has an age
    open; send x; pass 3            > ␐opened send:done x
                                    ? unacknowledged=1 oldest_unacknowledged=3
    say ␐ack:1                      ? unacknowledged=0 oldest_unacknowledged=0

nothing goes out before it is saved, also if something else does
    open; store wait; send x        > ␐opened send:done
    say ␐ask                        > ␐ack:0
    store work                      > x
nor is anything acknowledged
    open; say a; recv; store wait; recv; pass 2 > ␐opened recv:a
    store work; pass 2              > ␐ack:1
shutting down waits for what is being saved
    open; store wait; send x; shut  > ␐opened send:done
    store work                      > shut:done x END:1001
    server 2; resume 0              > ␐resumed:0 x
a store that fails is tried again
    open; store fail; send x; pass 5 > ␐opened send:done
    store work; pass 60             > x
who comes meanwhile is told to come later: to open
    store fail; open; open          > END:1013 END:1013 ? refused=store:2 store_failures=2
                                    ? reason=the_session_store_fails:_try_again_later
                                    ? health=the_session_store_fails:_OSError:_out_of_reach
    store work; open                > ␐opened       ? health=True
to resume elsewhere
    open; lose; server 2; store fail; resume 0 > ␐opened END:1013
    store work; resume 0            > ␐resumed:0
a session that is being forgotten is none already
    open; store wait; leave 1000; resume 0 > ␐opened END:4404

no more sessions begin than there may be, with those whose handler goes on  [max_sessions=2]
    open; open; leave 1000; open    > ␐opened ␐opened END:1013 ? sessions=1 ending=1
                    ? reason=too_many_sessions:_try_again_later_(max_sessions)
                    ? health=there_are_2_sessions,_which_is_the_limit_max_sessions=
    return; open; open              > ␐opened END:1013 ? sessions=2 refused=max_sessions:2
also at once  [max_sessions=1]
    store wait; open; open          > END:1013
    store work                      > 1:␐opened     ? sessions=1
nor connections that say nothing  [max_sessions=2]
    connect; connect; connect       > END:1013      ? greeting=2
secrets are not tried without end, and others go on  [unknown_burst=2 unknown_rate=0]
    guess; guess; guess; guess      > END:4404 END:4404 END:1013 END:1013 ? claims=2
    open; resume 0                  > ␐opened 5:END:4409 ␐resumed:0
who resumes too often is refused, and disturbs nobody  [resume_burst=1 resume_rate=0]
    open; resume 0; resume 0        > ␐opened 1:END:4409 ␐resumed:0 END:1013 ? claims=0 sessions=1
            ? reason=a_session_was_resumed_too_often:_try_again_later_(resume_rate)
            ? refused=resume_rate:1 health=True
    send x                          > send:done 2:x
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    with Play(rule.options, monkeypatch) as play:
        follow(rule, play.do, play.look, Exception)


IN_HAND = "the message {id}-2 in hand (text, length 7), which ends the session with 4411"


@pytest.mark.parametrize(
    ("options", "happens", "levels", "told"),
    [
        ({}, "open; store fail; send payload; pass 5", ["WARNING"], "OSError: out of reach"),
        ({}, "open; say harmless payload; recv; recv; fail", ["ERROR"], IN_HAND),
        ({}, "open; say payload; recv; fail", ["ERROR"], "LookupError: a mistake"),
        ({"connect_rate": "0.0001"}, "open; open; open", ["WARNING"], "connect_rate="),
        # The client is at fault, or its network, and not the application.
        ({"expires": "5"}, "open; say payload; lose; pass 5; recv; raise", [], ""),
        ({}, "open; say payload; leave 4001; recv; recv; raise", [], ""),
    ],
)
def test_what_the_log_tells_without_what_is_secret(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, str],
    happens: str,
    levels: list[str],
    told: str,
) -> None:
    with Play(options, monkeypatch) as play:
        for action in happens.split("; "):
            play.do(*action.split())
    assert [record.levelname for record in caplog.records] == levels
    assert told.format(id=play.session.id) in caplog.text
    assert "payload" not in caplog.text
    assert play.secret not in caplog.text
