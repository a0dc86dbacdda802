"""The bookkeeping of a queue against a ledger of all its messages, and its rules one by one."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import math
import operator
import weakref
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readystate import Delivery, DeliveryState, MessageDropped, QueueFull
from readystate.core.outbox import Outbox

from .outboxes import Clock, make_outbox
from .rules import Rule, follow, parse

QUEUED, SENT, CONFIRMED, DROPPED = DeliveryState


@dataclass(eq=False)
class Entry:
    """All that there is to know of one message that was accepted."""

    delivery: Delivery
    message: str
    size: int
    key: Hashable
    expires: float = math.inf
    is_transient: bool = False
    state: DeliveryState = QUEUED
    reason: str | None = None
    # When it was sent first, by the count of all that was ever sent.
    first_sent: int = 0
    # Whether it was sent over another connection before.
    is_again: bool = False
    # Over this connection: how many messages and bytes were sent up to its end.
    messages: int = 0
    bytes: int = 0


def size_of(entries: list[Entry]) -> int:
    return sum(entry.size for entry in entries)


sizes = st.integers(0, 8)
keys = st.sampled_from(["", ("a", 1), 0])  # Any but None is one.
to_live = st.sampled_from([None, None, None, None, 0, 1, 3, 6])
fractions = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])
messages = st.lists(
    st.tuples(sizes, to_live, st.none() | keys, st.booleans()), min_size=1, max_size=5
)


class AgainstALedger(RuleBasedStateMachine):
    """Whatever happens to a queue, in whatever order, every message is accounted for."""

    @initialize(
        max_pending=st.sampled_from([None, None, None, 0, 1, 3, 6]),
        max_pending_bytes=st.sampled_from([None, None, None, 0, 6, 16]),
        on_full=st.sampled_from(["raise", "wait", "drop-oldest", "drop-newest"]),
        in_doubt=st.sampled_from(["resend", "resend", "drop"]),
        max_unconfirmed=st.sampled_from([1, 2, 4, 8, 1000, 1000]),
        max_unconfirmed_bytes=st.sampled_from([1, 10, 30, 1000, 1000, 1000]),
    )
    def begin(self, **options: Any) -> None:
        logging.getLogger("readystate").disabled = True  # A warning each time is of no use.
        self.now = 1000
        self.outbox = Outbox(**options, clock=lambda: self.now)
        self.limits = SimpleNamespace(
            **{name: math.inf if value is None else value for name, value in options.items()}
        )
        self.names = (f"message {n}" for n in itertools.count())
        # All messages ever accepted, in that order, and how many times any were sent.
        self.entries: list[Entry] = []
        self.sent = self.resent = 0
        # Of this connection:
        self.messages_sent = self.bytes_sent = self.bytes_left = self.index_confirmed = 0
        self.is_held = True
        # How much of max_unconfirmed, and of max_unconfirmed_bytes, is made use of.
        self.window = self.limits.max_unconfirmed
        self.window_bytes = self.limits.max_unconfirmed_bytes
        self.losses_in_a_row = 0

    def teardown(self) -> None:
        logging.getLogger("readystate").disabled = False

    # What the ledger says

    def waiting(self) -> list[Entry]:
        # What is in doubt was accepted before all that was never sent, so this has it first.
        return [entry for entry in self.entries if not (entry.reason or entry.messages)]

    def unconfirmed(self) -> list[Entry]:
        entries = [entry for entry in self.entries if entry.messages and not entry.reason]
        return sorted(entries, key=lambda entry: entry.messages)

    def not_transient(self) -> list[Entry]:
        """What is unconfirmed, without what holds up nobody: on_open's, without a key."""
        sent = self.unconfirmed()
        return [entry for entry in sent if not (entry.is_transient and entry.key is None)]

    def expired(self) -> list[Entry]:
        return [entry for entry in self.waiting() if entry.expires <= self.now]

    def may_not_wait(self, entries: list[Entry], size: int) -> bool:
        """Whether beside ``entries`` there is no room for one of ``size`` bytes."""
        limits, total = self.limits, size_of(entries) + size
        return bool(len(entries) >= limits.max_pending or total > limits.max_pending_bytes)

    def fits_the_window(self, size: int) -> bool:
        others, total = self.not_transient(), size_of(self.unconfirmed()) + size
        return not others or (len(others) < self.window and total <= self.window_bytes)

    # What is written into it

    def send(self, entry: Entry) -> None:
        self.sent += 1
        self.messages_sent += 1
        self.bytes_sent += entry.size
        self.is_held &= entry.is_transient
        entry.is_again = entry.state is SENT
        self.resent += entry.is_again
        entry.first_sent = entry.first_sent or self.sent
        entry.state, entry.messages, entry.bytes = SENT, self.messages_sent, self.bytes_sent

    def finish(self, entry: Entry, state: DeliveryState, reason: str) -> None:
        assert entry.reason is None
        entry.state, entry.reason = state, reason
        if state is CONFIRMED:
            limits = self.limits
            self.losses_in_a_row = 0
            self.window = min(self.window + 1, limits.max_unconfirmed)
            self.window_bytes = min(self.window_bytes + entry.size, limits.max_unconfirmed_bytes)

    def confirm(self, reason: str, condition: Callable[[Entry], bool]) -> None:
        for entry in self.unconfirmed():
            if entry.key is None and condition(entry):
                self.finish(entry, CONFIRMED, reason)

    def note_expired(self) -> None:
        """When one that has expired is dropped is left open, as long as it is never sent."""
        for entry in self.expired():
            if entry.delivery.state is DROPPED:
                self.finish(entry, DROPPED, "expired")

    # What may happen

    @rule(messages=messages)
    def accept(self, messages: list[tuple[int, int | None, Hashable, bool]]) -> None:
        for message in messages:
            self.accept_one(*message)

    @rule(messages=messages)
    def accept_and_send(self, messages: list[tuple[int, int | None, Hashable, bool]]) -> None:
        """As while a connection is open."""
        for size, ttl, key, _ in messages:
            self.accept_one(size, ttl, key, at_once=True)
            self.take()

    def accept_one(self, size: int, ttl: int | None, key: Hashable, at_once: bool) -> None:
        message = next(self.names)
        if at_once:
            self.expire()
            delivery = None
            is_clear = not self.waiting() and self.fits_the_window(size)
            assert self.outbox.is_clear(size) == is_clear
            if ttl is None and key is None:
                delivery = self.outbox.accept_clear(message, size)
                # It leaves to accept_sent() what is not simple.
                count, total = len(self.unconfirmed()) + 1, size_of(self.unconfirmed()) + size
                is_simple = is_clear and count <= self.window and total <= self.window_bytes
                assert (delivery is not None) == is_simple
            if is_clear:
                delivery = delivery or self.outbox.accept_sent(message, size, ttl=ttl, key=key)
                self.send(self.enter(delivery, message, size, ttl, key))
                return
        live = [entry for entry in self.waiting() if entry not in self.expired()]
        is_full = self.may_not_wait(live, size)
        try:
            delivery = self.outbox.accept(message, size, ttl=ttl, key=key)
        except QueueFull:
            assert is_full
            assert self.limits.on_full in ("raise", "wait")
            return
        self.note_expired()
        entry = self.enter(delivery, message, size, ttl, key)
        if is_full:
            assert self.limits.on_full in ("drop-oldest", "drop-newest")
            if self.limits.on_full == "drop-newest" or self.may_not_wait([], size):
                self.finish(entry, DROPPED, "overflow")
                return
            while self.may_not_wait(live, size):
                self.finish(live.pop(0), DROPPED, "overflow")
        assert self.outbox.pending <= self.limits.max_pending
        assert self.outbox.pending_bytes <= self.limits.max_pending_bytes

    @precondition(lambda self: self.is_held and self.messages_sent < 3)
    @rule(size=sizes, key=st.none() | keys)
    def accept_transient(self, size: int, key: Hashable) -> None:
        """As ``on_open`` does, before all that waits."""
        message = next(self.names)
        delivery = self.outbox.accept_sent(message, size, key=key, is_transient=True)
        entry = self.enter(delivery, message, size, None, key)
        entry.is_transient = True
        self.send(entry)

    def enter(
        self, delivery: Delivery, message: str, size: int, ttl: int | None, key: Hashable
    ) -> Entry:
        assert (delivery.message, delivery.size) == (message, size)
        expires = math.inf if ttl is None else self.now + ttl
        self.entries.append(Entry(delivery, message, size, key, expires))
        return self.entries[-1]

    @rule()
    def take(self) -> None:
        batch = self.outbox.take()
        for entry in self.expired():
            self.finish(entry, DROPPED, "expired")
        expected = []
        for entry in self.waiting():
            if not self.fits_the_window(entry.size):
                break
            self.send(entry)
            expected.append(entry.delivery)
        assert batch == expected
        if batch and len(others := self.not_transient()) > 1:
            assert len(others) <= self.limits.max_unconfirmed
            assert self.outbox.unconfirmed_bytes <= self.limits.max_unconfirmed_bytes

    @rule(fraction=fractions)
    def confirm_bytes(self, fraction: float) -> None:
        self.bytes_left += round(fraction * (self.bytes_sent - self.bytes_left))
        self.outbox.confirm_bytes(self.bytes_left)
        self.confirm("left the page", lambda entry: entry.bytes <= self.bytes_left)

    @rule(fraction=fractions, evidence=st.sampled_from(["heartbeat", "closing handshake"]))
    def confirm_before(self, fraction: float, evidence: Any) -> None:
        self.index_confirmed += round(fraction * (self.messages_sent - self.index_confirmed))
        self.outbox.confirm_before(self.index_confirmed, evidence)
        self.confirm(evidence, lambda entry: entry.messages <= self.index_confirmed)

    @rule(acked=st.lists(keys | st.just("unknown"), min_size=1, max_size=4))
    def confirm_keys(self, acked: list[Hashable]) -> None:
        self.outbox.confirm_keys(iter(acked))
        last = last_again = 0
        for key in acked:
            known = [each for each in self.entries if each.key == key and each.state is SENT]
            if not known:
                continue
            oldest = min(known, key=lambda entry: entry.first_sent)
            waiting = self.waiting()
            if oldest in waiting:
                # What was sent before it, wherever it was, has arrived too.
                for entry in waiting[: waiting.index(oldest)]:
                    if entry.key is None and entry.state is SENT:
                        self.finish(entry, CONFIRMED, "acknowledged")
            elif oldest.is_again:
                last_again = max(last_again, oldest.messages)
            else:
                last = max(last, oldest.messages)
            self.finish(oldest, CONFIRMED, "acknowledged")
        # Which connection one that was sent again has come over is not known: on_open's may not
        # have arrived.
        self.confirm(
            "acknowledged",
            lambda entry: entry.messages < (last if entry.is_transient else max(last, last_again)),
        )

    @rule()
    def connection_lost(self) -> None:
        self.outbox.connection_lost()
        if lost := self.unconfirmed():
            self.losses_in_a_row += 1
            if self.losses_in_a_row > 1:
                self.window = self.window_bytes = 1
            else:
                count, total = len(lost) // 2, size_of(lost) // 2
                least, least_bytes = min(16, self.window // 2), min(2**16, self.window_bytes // 2)
                self.window = min(max(count, least, 1), self.limits.max_unconfirmed)
                self.window_bytes = max(total, least_bytes, 1)
                self.window_bytes = min(self.window_bytes, self.limits.max_unconfirmed_bytes)
        for entry in lost:
            if entry.is_transient:
                self.finish(entry, DROPPED, "connection lost")
            elif self.limits.in_doubt == "drop":
                self.finish(entry, DROPPED, "in doubt")
            entry.messages = 0
        self.is_held = True
        self.messages_sent = self.bytes_sent = self.bytes_left = self.index_confirmed = 0

    @rule()
    def go_on_over_another(self) -> None:
        self.connection_lost()
        self.take()

    @rule(seconds=st.integers(0, 4), is_noticed=st.booleans())
    def time_passes(self, seconds: int, is_noticed: bool) -> None:
        self.now += seconds
        if is_noticed:
            self.expire()

    def expire(self) -> None:
        self.outbox.expire()
        for entry in self.expired():
            self.finish(entry, DROPPED, "expired")

    @rule(reason=st.sampled_from(["cleared", "closed", "aborted"]))
    def clear(self, reason: Any) -> None:
        waiting = self.waiting()
        assert self.outbox.clear(reason) == len(waiting)
        for entry in waiting:
            self.finish(entry, DROPPED, reason)

    # What is always true

    @invariant()
    def every_message_is_where_the_ledger_says(self) -> None:
        self.note_expired()
        for entry in self.entries:
            assert (entry.delivery.state, entry.delivery.reason) == (entry.state, entry.reason)

    @invariant()
    def the_numbers_are_exact(self) -> None:
        outbox, waiting, unconfirmed = self.outbox, self.waiting(), self.unconfirmed()
        assert list(outbox) == [entry.message for entry in waiting]
        assert (outbox.pending, outbox.pending_bytes) == (len(waiting), size_of(waiting))
        assert outbox.unconfirmed == len(unconfirmed)
        assert outbox.unconfirmed_bytes == size_of(unconfirmed)
        assert (outbox.sent, outbox.sent_bytes) == (self.messages_sent, self.bytes_sent)

    @invariant()
    def so_are_the_statistics(self) -> None:
        stats = self.outbox.stats
        dropped = Counter(entry.reason for entry in self.entries if entry.state is DROPPED)
        assert stats.accepted == len(self.entries)
        assert stats.confirmed == sum(entry.state is CONFIRMED for entry in self.entries)
        assert stats.dropped == dropped
        assert (stats.sent, stats.resent) == (self.sent, self.resent)

    @invariant()
    def what_it_says_of_itself_is_true(self) -> None:
        outbox, waiting, unconfirmed = self.outbox, self.waiting(), self.unconfirmed()
        for size in (0, 3, 20):
            assert outbox.is_full(size) == self.may_not_wait(waiting, size)
            assert outbox.is_clear(size) == (not waiting and self.fits_the_window(size))
        assert outbox.is_window_half_full == (
            len(unconfirmed) >= self.window / 2 or size_of(unconfirmed) >= self.window_bytes / 2
        )
        first = min((entry.expires for entry in waiting), default=math.inf)
        assert (outbox.next_expiry or math.inf) <= first


AgainstALedger.TestCase.settings = settings(
    stateful_step_count=60,
    phases=set(Phase) - {Phase.explain},  # It would take minutes.
    report_multiple_bugs=False,
)
TestAgainstALedger = AgainstALedger.TestCase


# Its rules, one by one


class Told:
    """An outbox of which a rule tells what happens to it, and all that it was given.

    Messages are written as ``a``, ``a:4`` (of 4 bytes), ``a@k`` (with the key ``k``).
    """

    def __init__(self, options: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
        given: dict[str, Any] = {
            name: int(value) if value.isdecimal() else value for name, value in options.items()
        }
        keeps_unconfirmed = bool(given.pop("keeps_unconfirmed", False))
        self.clock = Clock()
        self.outbox = make_outbox(clock=self.clock, **given)
        self.outbox.keeps_unconfirmed = keeps_unconfirmed
        self.records = caplog.records
        self.deliveries: dict[str, Delivery] = {}

    def accept(self, words: tuple[str, ...], accept: Callable[..., Delivery]) -> None:
        ttl = float(words[-1][4:]) if words[-1].startswith("ttl=") else None
        for word in words[: None if ttl is None else -1]:
            rest, _, key = word.partition("@")
            name, _, size = rest.partition(":")
            self.deliveries[name] = accept(name, int(size or 1), key=key or None, ttl=ttl)

    def do(self, what: str, *words: str) -> list[str]:
        outbox = self.outbox
        reason: Any = words[0].replace("_", " ") if words else None
        result: Any = []
        match what:
            case "accept":
                self.accept(words, outbox.accept)
            case "sent":
                self.accept(words, outbox.accept_sent)
            case "on_open":
                self.accept(words, functools.partial(outbox.accept_sent, is_transient=True))
            case "restore":
                messages = [(word[0], int(word[2:] or 1)) for word in words[1:]]
                self.deliveries |= {d.message: d for d in outbox.restore(int(words[0]), messages)}
            case "at":
                self.clock.now = float(words[0])
            case "lost":
                outbox.connection_lost(reason)
            case "clear":
                result = outbox.clear(reason)
            case "confirm_keys":
                outbox.confirm_keys(words)
            case _:
                arguments = (int(word) if word.isdecimal() else word for word in words)
                result = getattr(outbox, what)(*arguments)
        results = result if isinstance(result, list) else [result]
        return [str(getattr(item, "message", item)) for item in results if item is not None]

    def look(self, name: str) -> object:
        if delivery := self.deliveries.get(name):
            return (delivery.reason or delivery.state).replace(" ", "_")
        if name == "waits":
            return ",".join(self.outbox)
        if name == "logged":
            assert {record.levelno for record in self.records} <= {logging.WARNING}
            return ",".join(":".join(map(str, record.args or ())) for record in self.records)
        name, _, size = name.partition(":")
        value = operator.attrgetter(name)(self.outbox)
        return value(int(size)) if size else value


RULES = """
order is kept, and what is in doubt goes first  [max_unconfirmed=4]
    accept a b c d e f; take            > a b c d
    confirm_bytes 3; accept g; lost                 ? waits=d,e,f,g
    take                                > d e       ? stats.sent=6 stats.resent=1
what is in doubt is sent still, but not what was for this connection only
    accept a; on_open b; take           > a
    lost                                            ? a=SENT b=connection_lost
                                                    ? pending=1 unconfirmed=0
what is in doubt may be dropped, and what was not sent is not  [in_doubt=drop max_unconfirmed=1]
    accept a b; take                    > a
    lost                                            ? a=in_doubt b=QUEUED
each connection counts from nothing
    accept a:5; take                    > a
    lost                                            ? sent=0 sent_bytes=0
    sent b:3; take                      > a         ? sent=2 sent_bytes=8
    confirm_bytes 7                                 ? a=SENT b=left_the_page

the window is one of messages and of bytes  [max_unconfirmed=3 max_unconfirmed_bytes=10]
    accept a:4 b:6 c d e f; take        > a b
    confirm_bytes 10; take              > c d e
    take
a message larger than the window goes alone  [max_unconfirmed_bytes=10]
    accept a large:11 b; take           > a
    confirm_bytes 1; take               > large
    confirm_bytes 12; take              > b         ? pending=0
what is sent at once does not wait for the window, but is in it  [max_unconfirmed=1]
    accept a; sent b; sent c                        ? b=SENT c=SENT
    take
    confirm_before 2 heartbeat; take    > a
half a window is time to ask  [max_unconfirmed=4 max_unconfirmed_bytes=100]
    sent a:10                                       ? is_window_half_full=False
    sent b:10                                       ? is_window_half_full=True
    sent c:0                                        ? is_window_half_full=True
    confirm_before 3 heartbeat                      ? is_window_half_full=False
    sent d:50                                       ? is_window_half_full=True

without a limit all may wait
    accept a:1000000000 b:1000000000                ? pending=2 pending_bytes=2000000000
the least bounds  [max_pending=0 max_pending_bytes=0 max_unconfirmed=1 max_unconfirmed_bytes=1]
    accept a:0                                      ! QueueFull
the oldest make room, no more than must  [on_full=drop-oldest max_pending=3 max_pending_bytes=10]
    accept a:3 b:3 c:3 new:5                        ? a=overflow b=overflow waits=c,new
one that can never wait drives out no other  [on_full=drop-oldest max_pending_bytes=10]
    accept a:3 large:11                             ? large=overflow waits=a stats.accepted=2
the newest is the one that is dropped  [on_full=drop-newest max_pending=1]
    accept a b                                      ? a=QUEUED b=overflow
what has expired takes no room  [max_pending=1]
    accept old ttl=5
    at 5; accept new                                ? old=expired waits=new
what goes at once need not wait  [max_pending=0 max_pending_bytes=0 max_unconfirmed=2]
    sent a:10                                       ? is_clear:10=True
    sent b:10                                       ? is_clear:10=False
    accept c:10                                     ! QueueFull
nothing goes past what waits  [max_pending=1]
    accept a                                        ? is_clear:0=False
what is in doubt makes no room where nothing may wait  [max_pending=0 on_full=drop-oldest]
    sent old; lost; accept new                      ? old=SENT new=overflow

an acknowledgement of what is in doubt confirms what was sent before it  [max_unconfirmed=3]
    accept a b@b c d; take              > a b c
    lost; confirm_keys b                            ? a=acknowledged b=acknowledged c=SENT d=QUEUED
    unfinished                          > c d       ? waits=c,d pending_bytes=2
but not one with a key, which waits on
    accept a@a b@b; take                > a b
    lost; confirm_keys b                            ? a=SENT b=acknowledged waits=a
a late acknowledgement confirms no message of on_open: it may be for the first sending
    accept a b@b; take                  > a b
    lost; on_open hello; take           > a b
    confirm_keys b                                  ? a=acknowledged b=acknowledged hello=SENT
    confirm_before 3 heartbeat                      ? hello=heartbeat
what has left the page is confirmed whole
    accept a:3 b:3; take                > a b
    confirm_bytes 2                                 ? unconfirmed=2
    confirm_bytes 5                                 ? a=left_the_page b=SENT
    confirm_bytes 6                                 ? unconfirmed=0 unconfirmed_bytes=0
                                                    ? stats.confirmed=2
one with a key is confirmed by its key alone
    accept a:3@k b:3; take              > a b
    confirm_bytes 6; confirm_before 2 heartbeat     ? a=SENT b=left_the_page
    confirm_keys k                                  ? a=acknowledged
an acknowledgement is of all before it that have no key
    accept a b@1 c d@2 e; take          > a b c d e
    confirm_keys 2                                  ? a=acknowledged c=acknowledged d=acknowledged
                                                    ? b=SENT e=SENT
of several with one key the oldest is acknowledged
    accept a@k b@k c@k; take            > a b c
    confirm_keys unknown k                          ? a=acknowledged b=SENT c=SENT
    confirm_keys k k k                              ? b=acknowledged c=acknowledged
one that was never sent cannot be acknowledged
    accept a@k; confirm_keys k                      ? a=QUEUED
    take                                > a
one that is acknowledged after all is not sent again
    accept a:2@a b:3@b; take            > a b
    lost; confirm_keys a                            ? a=acknowledged
                                                    ? pending=1 pending_bytes=3 unconfirmed=0
    take                                > b

what the server fails on each time is dropped, and the others arrive  [max_resends=2]
    accept a poison b; take             > a poison b
    lost; take                          > a         ? stats.resent=1
    confirm_before 1 heartbeat; take    > poison b  ? a=heartbeat
    lost; take                          > poison
    lost; take                          > poison    ? poison=SENT
    lost; take                          > b         ? poison=resent_too_often b=SENT pending=0
by default it is sent again without end
    accept poison; take; lost; take     > poison poison
    lost; take; lost; take              > poison poison ? stats.sent=4 stats.resent=3

a time-to-live ends only while it waits  [max_unconfirmed=1]
    accept a b ttl=5; accept c ttl=6                ? next_expiry=5
    take                                > a
    at 5; expire                                    ? a=SENT b=expired c=QUEUED next_expiry=6
    lost                                            ? next_expiry=5
    take                                > c         ? a=expired pending=0 pending_bytes=0
without a time-to-live nothing expires
    accept a                                        ? next_expiry=None
    at 1e9; expire; take                > a
clear drops what waits, and not what is sent  [max_unconfirmed=1]
    accept a b c; take                  > a
    clear cleared                       > 2         ? a=SENT b=cleared c=cleared
    clear cleared                       > 0         ? pending=0 pending_bytes=0 unconfirmed=1
the first one that is dropped is told of
    accept a:1234 b ttl=1; take; lost   > a b       ? logged=
    at 1; expire                                    ? logged=1234:expired
    accept c; clear closed              > 1         ? logged=1234:expired
what was asked for is not told of, and was not the first  [on_full=drop-newest max_pending=1]
    accept a; clear cleared             > 1
    accept b; clear aborted             > 1
    accept c; clear taken_over          > 1         ? logged=
    accept d e                                      ? logged=1:overflow

the other side may limit what is unconfirmed
    limit 3 10; accept a b c d; take    > a b c     ? is_clear:0=False
    confirm_before 3 session; take      > d
    confirm_before 4 session
    accept e:6 f:4 g; take              > e f
    confirm_before 6 session; take      > g
it is one of bytes too, from the start
    limit 100 5; accept a:3 b:3; take   > a
it is half of that limit which is time to ask
    limit 4 100; sent a                             ? is_window_half_full=False
    sent b                                          ? is_window_half_full=True
    confirm_before 2 session; sent c:50             ? is_window_half_full=True
a limit is none for one message
    limit 2 3; accept large:100; take   > large
a limit allows no more than the bounds  [max_unconfirmed=2 max_unconfirmed_bytes=10]
    limit 1000000 1000000000
    accept a b c; take                  > a b
    confirm_before 2 session; take      > c
    confirm_before 3 session
    accept d:6 e:5; take                > d
a limit is of what comes, and not of what was sent
    accept a b c d; take                > a b c d
    limit 2 1000; accept e; take                    ? a=SENT d=SENT e=QUEUED
    confirm_before 2 session; take
    confirm_before 3 session; take      > e
a limit outlives losses and confirmations
    limit 2 1000; accept a b; take      > a b
    confirm_before 2 session
    accept c d e f; take                > c d
    lost; take                          > c
    confirm_before 1 session; take      > d e
    confirm_before 3 session; take      > f

what the other side has not is sent again, from wherever it says  [max_unconfirmed=5]
    accept a b c d e f; take            > a b c d e
    confirm_before 2 session
    resend_from 4                       > e         ? stats.sent=6 stats.resent=1
    resend_from 3                       > d e
    resend_from 2                       > c d e
    resend_from 0                       > c d e     ? c=SENT d=SENT e=SENT waits=f
    resend_from 6                                   ? unconfirmed=3 unconfirmed_bytes=3 sent=5
    confirm_before 4 session                        ? c=session d=session e=SENT
where nothing was sent nothing is sent again
    accept a; resend_from 0
    take                                > a
    confirm_before 1 session; resend_from 0; resend_from 2  ? stats.sent=1 stats.resent=0
an outbox goes on where another one has been
    restore 7 a:2 b:3                               ? a=SENT b=SENT sent=9
                                                    ? unconfirmed=2 unconfirmed_bytes=5
    take
    resend_from 8                       > b
    accept c; take                      > c
    confirm_before 8 session                        ? a=session b=SENT c=SENT
    confirm_before 10 session                       ? b=session c=session
    unfinished                                      ? unconfirmed=0 unconfirmed_bytes=0
                                                    ? stats.accepted=3 stats.confirmed=3
nothing may have been left
    restore 7                                       ? sent=7 unconfirmed=0
    accept a; take                      > a
    confirm_before 7 session                        ? a=SENT
    resend_from 7                       > a
what is restored fills the window  [max_unconfirmed=2]
    restore 0 a b c
    accept d; take
    confirm_before 2 session; take      > d
what is restored was sent by another outbox, so it counts when it is sent again
    restore 7 a b                                   ? stats.sent=0 stats.resent=0
    resend_from 8                       > b         ? stats.sent=1 stats.resent=1
nothing is in doubt where the other side knows what it has  [in_doubt=drop keeps_unconfirmed=True]
    accept a b; take                    > a b
    accept c; lost                                  ? a=SENT b=SENT sent=2 unconfirmed=2 pending=1
    resend_from 1                       > b
    confirm_before 1 session; lost session_ended    ? a=session b=session_ended
                                                    ? unconfirmed=0 pending=1
what is unfinished, in the order of sending  [max_unconfirmed=3]
    unfinished
    accept a b c d e; take              > a b c
    confirm_before 1 session; unfinished > b c d e
    confirm_before 3 session; unfinished > d e
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, caplog: pytest.LogCaptureFixture) -> None:
    told = Told(rule.options, caplog)
    follow(rule, told.do, told.look, QueueFull)


@pytest.mark.parametrize("on_full", ["raise", "wait"])
def test_a_full_queue_raises_and_is_as_it_was(on_full: str) -> None:
    outbox = make_outbox(on_full=on_full, max_pending=2, max_pending_bytes=10)
    outbox.accept("a", 4)
    with pytest.raises(QueueFull, match=r"7 bytes: 1 with 4 bytes"):
        outbox.accept("too large", 7)
    outbox.accept("b", 6)
    with pytest.raises(QueueFull, match=r"put\(\)") as caught:
        outbox.accept("too many", 0)
    assert ("on_full='wait'" in str(caught.value)) == (on_full == "raise")
    assert list(outbox) == ["a", "b"]
    assert (outbox.stats.accepted, outbox.stats.dropped) == (2, {})


def test_keys_that_raise_midway_leave_nothing_half_done() -> None:
    outbox = make_outbox()
    a, b, c = outbox.accept("a", 1), outbox.accept("b", 1, key="b"), outbox.accept("c", 1)
    outbox.take()
    with pytest.raises(TypeError, match="unhashable"):
        outbox.confirm_keys(["b", []])  # type: ignore[list-item]
    assert [delivery.state for delivery in (a, b, c)] == [CONFIRMED, CONFIRMED, SENT]


def test_a_key_that_cannot_be_one_changes_nothing() -> None:
    clock = Clock()
    outbox = make_outbox(clock=clock, on_full="drop-oldest", max_pending=1)
    old = outbox.accept("old", 1, ttl=1)
    clock.now = 2
    bad: Any = ["a list"]
    for accept in (outbox.accept, outbox.accept_sent):
        with pytest.raises(TypeError, match="unhashable"):
            accept("new", 1, key=bad)
    assert old.state == "QUEUED"
    assert (outbox.stats.accepted, outbox.stats.sent, outbox.stats.dropped) == (1, 0, {})
    assert (outbox.pending, outbox.unconfirmed, outbox.sent) == (1, 0, 0)


def test_iterating_is_over_what_waits_now() -> None:
    outbox = make_outbox()
    for message in "abc":
        outbox.accept(message, 1)
    seen = []
    for message in outbox:
        seen.append(message)
        outbox.clear("cleared")
    assert seen == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("is_lost", "end"),
    [
        (False, lambda outbox: outbox.confirm_keys(["k", "k"])),
        (True, lambda outbox: outbox.confirm_keys(["k", "k"])),
        (True, lambda outbox: outbox.clear("closed")),
        (True, Outbox.expire),
        (True, Outbox.take),
        (True, lambda outbox: outbox.accept("new", 1)),
    ],
)
def test_one_that_is_over_is_forgotten_and_its_key_too(
    is_lost: bool, end: Callable[[Outbox], object]
) -> None:
    clock = Clock()
    outbox = make_outbox(clock=clock, on_full="drop-oldest", max_pending=2)
    for message in "ab":
        outbox.accept(message, 1, key="k", ttl=5)
    old = [weakref.ref(delivery) for delivery in outbox.take()]
    if is_lost:
        outbox.connection_lost()
        clock.now += 10
    end(outbox)
    assert [reference() for reference in old] == [None, None]
    outbox.clear("cleared")
    new = outbox.accept("new", 1, key="k")
    assert outbox.take() == [new]
    outbox.confirm_keys(["k"])
    assert new.reason == "acknowledged"
    assert outbox.unconfirmed == 0


async def test_what_somebody_awaits_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    outbox = make_outbox(in_doubt="drop")
    delivery = outbox.accept("a", 1)
    outbox.take()

    async def wait() -> None:
        await delivery

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    outbox.connection_lost()
    with pytest.raises(MessageDropped, match="in doubt"):
        await waiting
    assert caplog.messages == []
    # Who has given up does not await it any more.
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await outbox.accept("a secret", 8)
    outbox.clear("closed")
    (warning,) = caplog.messages
    assert warning.startswith("a message of 8 bytes was dropped (closed), and no task awaits its")
    assert "secret" not in warning
