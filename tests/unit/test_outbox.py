"""The bookkeeping of a queue against a ledger of all its messages, and its rules one by one."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import re
import weakref
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readystate import Delivery, DeliveryState, MessageDropped, QueueFull
from readystate.core.outbox import Outbox

QUEUED, SENT, CONFIRMED, DROPPED = DeliveryState

Place: TypeAlias = Literal["waits", "is sent", "is over"]


@dataclasses.dataclass(eq=False)
class Entry:
    """All that there is to know of one message that was accepted."""

    delivery: Delivery
    message: str
    size: int
    key: Hashable
    expires: float = float("inf")
    is_transient: bool = False
    place: Place = "waits"
    reason: str | None = None
    end: DeliveryState | None = None
    # When it was sent first, by the count of all that was ever sent.
    first_sent: int | None = None
    # Over this connection: how many messages and bytes were sent up to its end.
    messages: int = 0
    bytes: int = 0
    # Whether it was sent over another connection before.
    is_again: bool = False
    # Whether it may be sent (again).
    is_due: bool = True
    seen: tuple[DeliveryState, str | None] = (QUEUED, None)

    @property
    def state(self) -> DeliveryState:
        if self.end is not None:
            return self.end
        return QUEUED if self.first_sent is None else SENT

    def finish(self, end: DeliveryState, reason: str) -> None:
        assert self.place != "is over"
        self.place, self.end, self.reason = "is over", end, reason


@dataclasses.dataclass
class Ledger:
    """One list of all messages ever accepted, in that order, and two totals of what was sent."""

    entries: list[Entry] = dataclasses.field(default_factory=list)
    sent: int = 0
    resent: int = 0

    def waiting(self) -> list[Entry]:
        # What is in doubt was accepted before all that was never sent, so this has it first.
        return [entry for entry in self.entries if entry.place == "waits"]

    def unconfirmed(self) -> list[Entry]:
        entries = [entry for entry in self.entries if entry.place == "is sent"]
        return sorted(entries, key=lambda entry: entry.messages)

    def send(self, entry: Entry, messages: int, bytes: int) -> None:
        assert entry.is_due, "sent twice, though it was not in doubt"
        self.resent += entry.first_sent is not None
        entry.is_again = entry.first_sent is not None
        if entry.first_sent is None:
            entry.first_sent = self.sent
        self.sent += 1
        entry.place, entry.messages, entry.bytes = "is sent", messages, bytes
        entry.is_due = False

    def confirm(self, reason: str, condition: Callable[[Entry], bool]) -> None:
        for entry in self.unconfirmed():
            if entry.key is None and condition(entry):
                entry.finish(CONFIRMED, reason)


def size_of(entries: list[Entry]) -> int:
    return sum(entry.size for entry in entries)


sizes = st.integers(0, 8)
keys = st.sampled_from(["a", ("b", 1), 0])
times = st.integers(0, 4)
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
    def begin(self, **arguments: Any) -> None:
        logging.getLogger("readystate").disabled = True  # A warning each time is of no use.
        self.now = 1000
        self.max_pending = arguments["max_pending"]
        self.max_pending_bytes = arguments["max_pending_bytes"]
        self.on_full = arguments["on_full"]
        self.in_doubt = arguments["in_doubt"]
        self.max_unconfirmed = arguments["max_unconfirmed"]
        self.max_unconfirmed_bytes = arguments["max_unconfirmed_bytes"]
        self.outbox = Outbox(**arguments, clock=lambda: self.now)
        self.ledger = Ledger()
        self.names = (f"message {n}" for n in itertools.count())
        # Of this connection:
        self.messages_sent = self.bytes_sent = self.bytes_left = self.index_confirmed = 0
        self.is_held = True
        # How much of max_unconfirmed, and of max_unconfirmed_bytes, is made use of.
        self.window = self.max_unconfirmed
        self.window_bytes = self.max_unconfirmed_bytes
        self.confirmed = self.confirmed_bytes = self.losses_in_a_row = 0

    # What the ledger says

    def expired(self) -> list[Entry]:
        return [entry for entry in self.ledger.waiting() if entry.expires <= self.now]

    def may_not_wait(self, entries: list[Entry], size: int) -> bool:
        """Whether beside ``entries`` there is no room for one of ``size`` bytes."""
        if self.max_pending is not None and len(entries) + 1 > self.max_pending:
            return True
        return self.max_pending_bytes is not None and (
            size_of(entries) + size > self.max_pending_bytes
        )

    def fits_the_window(self, size: int) -> bool:
        sent, others = self.ledger.unconfirmed(), self.not_transient()
        return not others or (
            len(others) + 1 <= self.window and size_of(sent) + size <= self.window_bytes
        )

    def not_transient(self) -> list[Entry]:
        """What is unconfirmed, without what holds up nobody: on_open's, without a key."""
        sent = self.ledger.unconfirmed()
        return [entry for entry in sent if not (entry.is_transient and entry.key is None)]

    def note_expired(self) -> None:
        """When one that has expired is dropped is left open, as long as it is never sent."""
        for entry in self.expired():
            if entry.delivery.state is DROPPED:
                entry.finish(DROPPED, "expired")

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
        if at_once:
            self.expire()
            assert self.outbox.is_clear(size) == (
                not self.ledger.waiting() and self.fits_the_window(size)
            )
            if self.outbox.is_clear(size):
                self.accept_sent(size, ttl, key)
                return
        live = [entry for entry in self.ledger.waiting() if entry not in self.expired()]
        is_full = self.may_not_wait(live, size)

        before = dataclasses.replace(self.outbox.stats)
        message = next(self.names)
        try:
            delivery = self.outbox.accept(message, size, ttl=ttl, key=key)
        except QueueFull:
            assert is_full
            assert self.on_full in ("raise", "wait")
            after = self.outbox.stats
            assert (after.accepted, after.sent) == (before.accepted, before.sent)
            assert after.confirmed == before.confirmed
            return
        assert (delivery.message, delivery.size) == (message, size)
        entry = Entry(delivery, message, size, key)
        if is_full:
            assert self.on_full in ("drop-oldest", "drop-newest")
            self.note_expired()
            can_ever_wait = not self.may_not_wait([], size)
            if self.on_full == "drop-newest" or not can_ever_wait:
                entry.finish(DROPPED, "overflow")
            while entry.end is None and self.may_not_wait(live, size):
                live.pop(0).finish(DROPPED, "overflow")
        if ttl is not None:
            entry.expires = self.now + ttl
        self.ledger.entries.append(entry)
        if entry.end is None:
            if self.max_pending is not None:
                assert self.outbox.pending <= self.max_pending
            if self.max_pending_bytes is not None:
                assert self.outbox.pending_bytes <= self.max_pending_bytes

    def accept_sent(self, size: int, ttl: int | None, key: Hashable) -> None:
        message = next(self.names)
        delivery = self.outbox.accept_sent(message, size, ttl=ttl, key=key)
        entry = Entry(delivery, message, size, key)
        if ttl is not None:
            entry.expires = self.now + ttl
        self.ledger.entries.append(entry)
        self.is_held = False
        self.note_sent(entry)

    @precondition(lambda self: self.is_held and self.messages_sent < 3)
    @rule(size=sizes, key=st.none() | keys)
    def accept_transient(self, size: int, key: Hashable) -> None:
        """As ``on_open`` does, before all that waits."""
        message = next(self.names)
        delivery = self.outbox.accept_sent(message, size, key=key, is_transient=True)
        entry = Entry(delivery, message, size, key, is_transient=True)
        self.ledger.entries.append(entry)
        self.note_sent(entry)

    def note_sent(self, entry: Entry) -> None:
        self.messages_sent += 1
        self.bytes_sent += entry.size
        self.ledger.send(entry, self.messages_sent, self.bytes_sent)

    @rule()
    def take(self) -> None:
        batch = self.outbox.take()
        for entry in self.expired():
            entry.finish(DROPPED, "expired")
        expected = []
        for entry in self.ledger.waiting():
            if not self.fits_the_window(entry.size):
                break
            assert entry.expires > self.now
            self.is_held = False
            self.note_sent(entry)
            expected.append(entry.delivery)
        assert batch == expected
        if batch and len(others := self.not_transient()) > 1:
            assert len(others) <= self.max_unconfirmed
            assert self.outbox.unconfirmed_bytes <= self.max_unconfirmed_bytes

    @rule(fraction=fractions)
    def confirm_bytes(self, fraction: float) -> None:
        self.bytes_left += round(fraction * (self.bytes_sent - self.bytes_left))
        self.outbox.confirm_bytes(self.bytes_left)
        self.ledger.confirm("left the page", lambda entry: entry.bytes <= self.bytes_left)

    @rule(fraction=fractions, evidence=st.sampled_from(["heartbeat", "closing handshake"]))
    def confirm_before(self, fraction: float, evidence: Any) -> None:
        self.index_confirmed += round(fraction * (self.messages_sent - self.index_confirmed))
        self.outbox.confirm_before(self.index_confirmed, evidence)
        self.ledger.confirm(evidence, lambda entry: entry.messages <= self.index_confirmed)

    @rule(acked=st.lists(keys | st.just("unknown"), min_size=1, max_size=4))
    def confirm_keys(self, acked: list[Hashable]) -> None:
        self.outbox.confirm_keys(iter(acked))
        last = last_again = 0
        for key in acked:
            known = [
                entry
                for entry in self.ledger.entries
                if entry.key == key and entry.place != "is over" and entry.first_sent is not None
            ]
            if known:
                oldest = min(known, key=lambda entry: entry.first_sent or 0)
                if oldest.place == "waits":
                    # What was sent before it, wherever it was, has arrived too.
                    waiting = self.ledger.waiting()
                    for entry in waiting[: waiting.index(oldest)]:
                        if entry.key is None and entry.first_sent is not None:
                            entry.finish(CONFIRMED, "acknowledged")
                elif oldest.is_again:
                    last_again = max(last_again, oldest.messages)
                else:
                    last = max(last, oldest.messages)
                oldest.finish(CONFIRMED, "acknowledged")
        self.ledger.confirm("acknowledged", lambda entry: entry.messages < last)
        # Which connection it came over is not known: on_open's may not have arrived.
        self.ledger.confirm(
            "acknowledged",
            lambda entry: entry.messages < last_again and not entry.is_transient,
        )

    @rule()
    def connection_lost(self) -> None:
        self.outbox.connection_lost()
        if lost := self.ledger.unconfirmed():
            self.losses_in_a_row += 1
            if self.losses_in_a_row > 1:
                self.window = self.window_bytes = 1
            else:
                count, total = len(lost) // 2, size_of(lost) // 2
                least, least_bytes = min(16, self.window // 2), min(2**16, self.window_bytes // 2)
                self.window = min(max(count, least, 1), self.max_unconfirmed)
                self.window_bytes = min(max(total, least_bytes, 1), self.max_unconfirmed_bytes)
        self.is_held = True
        for entry in self.ledger.unconfirmed():
            if entry.is_transient:
                entry.finish(DROPPED, "connection lost")
            elif self.in_doubt == "drop":
                entry.finish(DROPPED, "in doubt")
            else:
                entry.place, entry.is_due = "waits", True
        self.messages_sent = self.bytes_sent = self.bytes_left = self.index_confirmed = 0

    @rule()
    def go_on_over_another(self) -> None:
        self.connection_lost()
        self.take()

    @rule(seconds=times, is_noticed=st.booleans())
    def time_passes(self, seconds: int, is_noticed: bool) -> None:
        self.now += seconds
        if is_noticed:
            self.expire()

    def expire(self) -> None:
        self.outbox.expire()
        for entry in self.expired():
            entry.finish(DROPPED, "expired")

    @rule(reason=st.sampled_from(["cleared", "closed", "aborted"]))
    def clear(self, reason: Any) -> None:
        waiting = self.ledger.waiting()
        assert self.outbox.clear(reason) == len(waiting)
        for entry in waiting:
            entry.finish(DROPPED, reason)

    # What is always true

    @invariant()
    def the_window_grows_with_what_is_confirmed(self) -> None:
        entries = [entry for entry in self.ledger.entries if entry.end is CONFIRMED]
        count, total = len(entries) - self.confirmed, size_of(entries) - self.confirmed_bytes
        if count:
            self.losses_in_a_row = 0
            self.window = min(self.window + count, self.max_unconfirmed)
            self.window_bytes = min(self.window_bytes + total, self.max_unconfirmed_bytes)
        self.confirmed, self.confirmed_bytes = len(entries), size_of(entries)

    @invariant()
    def every_message_is_where_the_ledger_says(self) -> None:
        self.note_expired()
        for entry in self.ledger.entries:
            delivery = entry.delivery
            assert (delivery.state, delivery.reason) == (entry.state, entry.reason)

    @invariant()
    def states_only_go_forward_and_the_last_is_final(self) -> None:
        order = [QUEUED, SENT, CONFIRMED, DROPPED]
        for entry in self.ledger.entries:
            now = (entry.delivery.state, entry.delivery.reason)
            before, entry.seen = entry.seen, now
            if before[0] in (CONFIRMED, DROPPED):
                assert now == before
            assert order.index(now[0]) >= order.index(before[0])
            assert (now[1] is not None) == (now[0] in (CONFIRMED, DROPPED))

    @invariant()
    def the_numbers_are_exact(self) -> None:
        outbox, ledger = self.outbox, self.ledger
        waiting, unconfirmed = ledger.waiting(), ledger.unconfirmed()
        assert list(outbox) == [entry.message for entry in waiting]
        assert (outbox.pending, outbox.pending_bytes) == (len(waiting), size_of(waiting))
        assert outbox.unconfirmed == len(unconfirmed)
        assert outbox.unconfirmed_bytes == size_of(unconfirmed)
        assert (outbox.sent, outbox.sent_bytes) == (self.messages_sent, self.bytes_sent)

    @invariant()
    def the_statistics_add_up(self) -> None:
        outbox, stats = self.outbox, self.outbox.stats
        ends = Counter((entry.end, entry.reason) for entry in self.ledger.entries if entry.end)
        assert stats.accepted == len(self.ledger.entries)
        assert stats.accepted == (
            stats.confirmed + sum(stats.dropped.values()) + outbox.pending + outbox.unconfirmed
        )
        assert stats.confirmed == sum(n for (end, _), n in ends.items() if end is CONFIRMED)
        assert stats.dropped == {reason: n for (end, reason), n in ends.items() if end is DROPPED}
        assert (stats.sent, stats.resent) == (self.ledger.sent, self.ledger.resent)

    @invariant()
    def what_it_says_of_itself_is_true(self) -> None:
        outbox, waiting = self.outbox, self.ledger.waiting()
        for size in (0, 3, 20):
            assert outbox.is_full(size) == self.may_not_wait(waiting, size)
            assert outbox.is_clear(size) == (not waiting and self.fits_the_window(size))
        unconfirmed = self.ledger.unconfirmed()
        assert outbox.is_window_half_full == (
            len(unconfirmed) >= self.window / 2 or size_of(unconfirmed) >= self.window_bytes / 2
        )
        first = min((entry.expires for entry in waiting), default=float("inf"))
        assert first == float("inf") or (
            outbox.next_expiry is not None and outbox.next_expiry <= first
        )

    def teardown(self) -> None:
        try:
            if hasattr(self, "ledger"):
                self.everything_ends()
        finally:
            logging.getLogger("readystate").disabled = False

    def everything_ends(self) -> None:
        self.connection_lost()
        self.clear("closed")
        self.every_message_is_where_the_ledger_says()
        self.the_statistics_add_up()
        assert all(entry.end for entry in self.ledger.entries)
        assert not self.outbox.pending
        assert not self.outbox.unconfirmed


AgainstALedger.TestCase.settings = settings(
    stateful_step_count=60,
    phases=set(Phase) - {Phase.explain},  # It would take minutes.
    report_multiple_bugs=False,
)
TestAgainstALedger = AgainstALedger.TestCase


# Its rules, one by one


@dataclasses.dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock | None = None, **arguments: Any) -> Outbox:
    given: dict[str, Any] = {
        "max_pending": None,
        "max_pending_bytes": None,
        "on_full": "raise",
        "in_doubt": "resend",
        "max_unconfirmed": 1000,
        "max_unconfirmed_bytes": 1000,
        "clock": clock or Clock(),
    }
    return Outbox(**{**given, **arguments})


def states(*deliveries: Delivery) -> list[tuple[str, str | None]]:
    return [(delivery.state, delivery.reason) for delivery in deliveries]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_full", "drop"),
        ("on_full", None),
        ("in_doubt", "keep"),
        ("max_pending", -1),
        ("max_pending_bytes", -7),
        ("max_unconfirmed", 0),
        ("max_unconfirmed_bytes", -3),
        ("max_unconfirmed_bytes", 0),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        make(**{name: value})


def test_the_least_bounds_that_make_sense() -> None:
    outbox = make(max_pending=0, max_pending_bytes=0, max_unconfirmed=1, max_unconfirmed_bytes=1)
    with pytest.raises(QueueFull):
        outbox.accept("a", 0)


def test_none_is_without_a_limit() -> None:
    outbox = make()
    for _ in range(1000):
        outbox.accept("a", 10**9)
    assert (outbox.pending, outbox.pending_bytes) == (1000, 10**12)


def test_order_is_kept_and_what_is_in_doubt_goes_first() -> None:
    outbox = make(max_unconfirmed=4)
    for message in "abcdef":
        outbox.accept(message, 1)
    assert [delivery.message for delivery in outbox.take()] == ["a", "b", "c", "d"]
    outbox.confirm_bytes(3)
    outbox.accept("g", 1)
    outbox.connection_lost()
    assert list(outbox) == ["d", "e", "f", "g"]
    assert [delivery.message for delivery in outbox.take()] == ["d", "e"]
    assert (outbox.stats.sent, outbox.stats.resent) == (6, 1)


def test_what_is_in_doubt_and_waits_is_sent_still() -> None:
    outbox = make()
    a, b = outbox.accept("a", 1), outbox.accept_sent("b", 1, is_transient=True)
    outbox.take()
    outbox.connection_lost()
    assert states(a, b) == [("SENT", None), ("DROPPED", "connection lost")]
    assert (outbox.pending, outbox.unconfirmed) == (1, 0)
    assert outbox.stats.dropped == {"connection lost": 1}


def test_what_is_in_doubt_may_be_dropped_and_what_was_not_sent_is_not() -> None:
    outbox = make(in_doubt="drop", max_unconfirmed=1)
    a, b = outbox.accept("a", 1), outbox.accept("b", 1)
    outbox.take()
    outbox.connection_lost()
    assert states(a, b) == [("DROPPED", "in doubt"), ("QUEUED", None)]


def test_each_connection_counts_from_nothing() -> None:
    outbox = make()
    first = outbox.accept("first", 5)
    outbox.take()
    outbox.connection_lost()
    assert (outbox.sent, outbox.sent_bytes) == (0, 0)
    second = outbox.accept_sent("second", 3)
    outbox.take()
    assert (outbox.sent, outbox.sent_bytes) == (2, 8)
    outbox.confirm_bytes(7)
    assert states(first, second) == [("SENT", None), ("CONFIRMED", "left the page")]


def test_the_window_is_one_of_messages_and_of_bytes() -> None:
    outbox = make(max_unconfirmed=3, max_unconfirmed_bytes=10)
    for size in (4, 6, 1, 1, 1, 1):
        outbox.accept(str(size), size)
    assert [delivery.size for delivery in outbox.take()] == [4, 6]
    outbox.confirm_bytes(10)
    assert [delivery.size for delivery in outbox.take()] == [1, 1, 1]
    assert outbox.take() == []


def test_a_message_larger_than_the_window_goes_alone() -> None:
    outbox = make(max_unconfirmed_bytes=10)
    for message, size in (("a", 1), ("large", 11), ("b", 1)):
        outbox.accept(message, size)
    sent = []
    for _ in range(3):
        sent.append([delivery.message for delivery in outbox.take()])
        outbox.confirm_bytes(outbox.sent_bytes)
    assert sent == [["a"], ["large"], ["b"]]
    assert outbox.pending == 0


def test_a_message_for_this_connection_only_does_not_wait_for_the_window() -> None:
    outbox = make(max_unconfirmed=1)
    waiting = outbox.accept("waits", 1)
    transient = [outbox.accept_sent("now", 1) for _ in range(2)]
    assert states(*transient) == [("SENT", None)] * 2
    assert outbox.take() == []
    outbox.confirm_before(2, "heartbeat")
    assert outbox.take() == [waiting]


def test_half_a_window_is_time_to_ask() -> None:
    outbox = make(max_unconfirmed=4, max_unconfirmed_bytes=100)
    asks = []
    for size in (10, 10, 0):
        outbox.accept_sent("", size)
        asks.append(outbox.is_window_half_full)
    assert asks == [False, True, True]
    outbox.confirm_before(3, "heartbeat")
    assert not outbox.is_window_half_full
    outbox.accept_sent("", 50)
    assert outbox.is_window_half_full


@pytest.mark.parametrize("on_full", ["raise", "wait"])
def test_a_full_queue_raises_and_is_as_it_was(on_full: str) -> None:
    outbox = make(on_full=on_full, max_pending=2, max_pending_bytes=10)
    outbox.accept("a", 4)
    with pytest.raises(QueueFull, match=r"7 bytes: 1 with 4 bytes"):
        outbox.accept("too large", 7)
    outbox.accept("b", 6)
    with pytest.raises(QueueFull, match=r"put\(\)") as caught:
        outbox.accept("too many", 0)
    assert ("on_full='wait'" in str(caught.value)) == (on_full == "raise")
    assert list(outbox) == ["a", "b"]
    assert (outbox.stats.accepted, outbox.stats.dropped) == (2, {})


def test_the_oldest_make_room_but_no_more_of_them_than_must() -> None:
    outbox = make(on_full="drop-oldest", max_pending=3, max_pending_bytes=10)
    old = [outbox.accept(message, 3) for message in "abc"]
    new = outbox.accept("new", 5)
    assert states(*old, new) == [("DROPPED", "overflow")] * 2 + [("QUEUED", None)] * 2
    assert list(outbox) == ["c", "new"]


def test_one_that_can_never_wait_drives_out_no_other() -> None:
    outbox = make(on_full="drop-oldest", max_pending_bytes=10)
    outbox.accept("a", 3)
    assert states(outbox.accept("large", 11)) == [("DROPPED", "overflow")]
    assert list(outbox) == ["a"]
    assert (outbox.stats.accepted, outbox.stats.dropped) == (2, {"overflow": 1})


def test_the_newest_is_the_one_that_is_dropped() -> None:
    outbox = make(on_full="drop-newest", max_pending=1)
    a, b = outbox.accept("a", 1), outbox.accept("b", 1)
    assert states(a, b) == [("QUEUED", None), ("DROPPED", "overflow")]


def test_what_has_expired_takes_no_room(clock: Clock) -> None:
    outbox = make(clock, max_pending=1)
    old = outbox.accept("old", 1, ttl=5)
    clock.now = 5
    outbox.accept("new", 1)
    assert states(old) == [("DROPPED", "expired")]
    assert list(outbox) == ["new"]


def test_the_bounds_of_what_waits_are_not_those_of_what_goes_at_once() -> None:
    outbox = make(max_pending=0, max_pending_bytes=0, max_unconfirmed=2)
    for message in "ab":
        assert outbox.is_clear(10)
        outbox.accept_sent(message, 10)
    assert not outbox.is_clear(10)
    with pytest.raises(QueueFull):
        outbox.accept("the window is full", 10)


def test_nothing_goes_past_what_waits() -> None:
    outbox = make(max_pending=1)
    outbox.accept("waits", 1)
    assert not outbox.is_clear(0)


def test_what_is_in_doubt_makes_no_room_where_nothing_may_wait() -> None:
    outbox = make(max_pending=0, on_full="drop-oldest")
    old = outbox.accept_sent("old", 1)
    outbox.connection_lost()
    new = outbox.accept("new", 1)
    assert states(old, new) == [("SENT", None), ("DROPPED", "overflow")]


def test_an_acknowledgement_of_what_is_in_doubt_confirms_what_was_sent_before_it() -> None:
    outbox = make(max_unconfirmed=3)
    a, b, c, d = (outbox.accept(m, 1, key=m if m == "b" else None) for m in "abcd")
    outbox.take()
    outbox.connection_lost()
    outbox.confirm_keys(["b"])
    assert [x.state for x in (a, b, c, d)] == [CONFIRMED, CONFIRMED, SENT, QUEUED]
    assert list(outbox) == ["c", "d"]
    assert outbox.pending_bytes == 2


def test_a_late_acknowledgement_confirms_no_message_of_on_open() -> None:
    """It may be for the first time that the message was sent."""
    outbox = make()
    a, b = outbox.accept("a", 1), outbox.accept("b", 1, key="b")
    outbox.take()
    outbox.connection_lost()
    hello = outbox.accept_sent("hello", 1, is_transient=True)
    outbox.take()
    outbox.confirm_keys(["b"])
    assert [x.state for x in (a, b, hello)] == [CONFIRMED, CONFIRMED, SENT]
    outbox.confirm_before(3, "heartbeat")
    assert hello.state is CONFIRMED


def test_keys_that_raise_midway_leave_nothing_half_done() -> None:
    outbox = make()
    a, b, c = outbox.accept("a", 1), outbox.accept("b", 1, key="b"), outbox.accept("c", 1)
    outbox.take()
    with pytest.raises(TypeError, match="unhashable"):
        outbox.confirm_keys(["b", []])  # type: ignore[list-item]
    assert [x.state for x in (a, b, c)] == [CONFIRMED, CONFIRMED, SENT]


def test_the_window_shrinks_with_each_loss_and_grows_with_each_confirmation() -> None:
    """Else connections that last for less than a window would never confirm anything."""
    outbox = make(max_unconfirmed=1000)
    for number in range(2000):
        outbox.accept(str(number), 1)
    sizes = []
    for _ in range(8):
        sizes.append(len(outbox.take()))
        outbox.connection_lost()
    assert sizes == [1000, 500, 1, 1, 1, 1, 1, 1]
    sizes = []
    for _ in range(12):
        sizes.append(len(outbox.take()))
        outbox.confirm_before(outbox.sent, "heartbeat")
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 977, 0]
    assert outbox.stats.confirmed == 2000


def test_the_window_in_bytes_does_so_too() -> None:
    outbox = make(max_unconfirmed=1000, max_unconfirmed_bytes=2**20)
    for number in range(64):
        outbox.accept(str(number), 2**16)
    counts = []
    for _ in range(6):
        counts.append(len(outbox.take()))
        outbox.connection_lost()
    assert counts == [16, 8, 1, 1, 1, 1]
    counts = []
    for _ in range(4):
        counts.append(len(outbox.take()))
        outbox.confirm_before(outbox.sent, "heartbeat")
    assert counts == [1, 1, 2, 4]


def test_a_time_to_live_ends_only_while_it_waits(clock: Clock) -> None:
    outbox = make(clock, max_unconfirmed=1)
    a, b, c = (
        outbox.accept(message, 1, ttl=ttl) for message, ttl in zip("abc", (5, 5, 6), strict=True)
    )
    assert outbox.next_expiry == 5
    assert outbox.take() == [a]
    clock.now = 5
    outbox.expire()
    assert states(a, b, c) == [("SENT", None), ("DROPPED", "expired"), ("QUEUED", None)]
    assert outbox.next_expiry == 6
    # It waits again.
    outbox.connection_lost()
    assert outbox.next_expiry == 5
    assert outbox.take() == [c]
    assert states(a) == [("DROPPED", "expired")]
    assert (outbox.pending, outbox.pending_bytes) == (0, 0)


def test_without_a_time_to_live_nothing_expires(clock: Clock) -> None:
    outbox = make(clock)
    kept = outbox.accept("kept", 1)
    assert outbox.next_expiry is None
    clock.now = 1e9
    outbox.expire()
    assert outbox.take() == [kept]


def test_what_has_left_the_page_is_confirmed_whole() -> None:
    outbox = make()
    deliveries = [outbox.accept(message, 3) for message in "ab"]
    outbox.take()
    outbox.confirm_bytes(2)
    assert outbox.unconfirmed == 2
    outbox.confirm_bytes(5)
    assert states(*deliveries) == [("CONFIRMED", "left the page"), ("SENT", None)]
    outbox.confirm_bytes(6)
    assert (outbox.unconfirmed, outbox.unconfirmed_bytes, outbox.stats.confirmed) == (0, 0, 2)


def test_one_with_a_key_is_confirmed_by_its_key_alone() -> None:
    outbox = make()
    keyed = outbox.accept("keyed", 3, key="k")
    plain = outbox.accept("plain", 3)
    outbox.take()
    outbox.confirm_bytes(6)
    outbox.confirm_before(2, "closing handshake")
    assert states(keyed, plain) == [("SENT", None), ("CONFIRMED", "left the page")]
    outbox.confirm_keys(["k"])
    assert states(keyed) == [("CONFIRMED", "acknowledged")]


def test_an_acknowledgement_is_of_all_before_it_that_have_no_key() -> None:
    outbox = make()
    deliveries = [
        outbox.accept(message, 1, key=key)
        for message, key in (("a", None), ("b", 1), ("c", None), ("d", 2), ("e", None))
    ]
    outbox.take()
    outbox.confirm_keys([2])
    done = ("CONFIRMED", "acknowledged")
    assert states(*deliveries) == [done, ("SENT", None), done, done, ("SENT", None)]


def test_of_several_with_one_key_the_oldest_is_acknowledged() -> None:
    outbox = make()
    deliveries = [outbox.accept(message, 1, key="k") for message in "abc"]
    outbox.take()
    outbox.confirm_keys(["unknown", "k"])
    assert [delivery.state for delivery in deliveries] == ["CONFIRMED", "SENT", "SENT"]
    outbox.confirm_keys(["k", "k", "k"])
    assert [delivery.state for delivery in deliveries] == ["CONFIRMED"] * 3


def test_one_that_was_never_sent_cannot_be_acknowledged() -> None:
    outbox = make()
    delivery = outbox.accept("a", 1, key="k")
    outbox.confirm_keys(["k"])
    assert states(delivery) == [("QUEUED", None)]
    assert outbox.take() == [delivery]


def test_one_that_is_acknowledged_after_all_is_not_sent_again() -> None:
    outbox = make()
    a, b = outbox.accept("a", 2, key="a"), outbox.accept("b", 3, key="b")
    outbox.take()
    outbox.connection_lost()
    outbox.confirm_keys(["a"])
    assert states(a) == [("CONFIRMED", "acknowledged")]
    assert (outbox.pending, outbox.pending_bytes, outbox.unconfirmed) == (1, 3, 0)
    assert outbox.take() == [b]


@pytest.mark.parametrize("key", [0, "", False, ()])
def test_any_key_but_none_is_one(key: Hashable) -> None:
    outbox = make()
    delivery = outbox.accept("a", 1, key=key)
    outbox.take()
    outbox.confirm_bytes(1)
    assert states(delivery) == [("SENT", None)]
    outbox.confirm_keys([key])
    assert states(delivery) == [("CONFIRMED", "acknowledged")]


def test_a_key_that_cannot_be_one_changes_nothing(clock: Clock) -> None:
    outbox = make(clock, on_full="drop-oldest", max_pending=1)
    old = outbox.accept("old", 1, ttl=1)
    clock.now = 2
    bad: Any = ["a list"]
    with pytest.raises(TypeError, match="unhashable"):
        outbox.accept("new", 1, key=bad)
    with pytest.raises(TypeError, match="unhashable"):
        outbox.accept_sent("new", 1, key=bad)
    assert states(old) == [("QUEUED", None)]
    assert (outbox.stats.accepted, outbox.stats.sent, outbox.stats.dropped) == (1, 0, {})
    assert (outbox.pending, outbox.unconfirmed, outbox.sent) == (1, 0, 0)


def test_clear_drops_what_waits_and_not_what_is_sent() -> None:
    outbox = make(max_unconfirmed=1)
    deliveries = [outbox.accept(message, 1) for message in "abc"]
    outbox.take()
    assert outbox.clear("cleared") == 2
    assert states(*deliveries) == [("SENT", None)] + [("DROPPED", "cleared")] * 2
    assert (outbox.pending, outbox.pending_bytes, outbox.unconfirmed) == (0, 0, 1)
    assert outbox.clear("cleared") == 0


def test_iterating_is_over_what_waits_now() -> None:
    outbox = make()
    for message in "abc":
        outbox.accept(message, 1)
    seen = []
    for message in outbox:
        seen.append(message)
        outbox.clear("cleared")
    assert seen == ["a", "b", "c"]


def lost_and(then: Callable[[Outbox, Clock], object]) -> Callable[[Outbox, Clock], object]:
    def end(outbox: Outbox, clock: Clock) -> None:
        outbox.connection_lost()
        clock.now += 10
        then(outbox, clock)

    return end


@pytest.mark.parametrize(
    "end",
    [
        lambda outbox, clock: outbox.confirm_keys(["k", "k"]),
        lost_and(lambda outbox, clock: outbox.confirm_keys(["k", "k"])),
        lost_and(lambda outbox, clock: outbox.clear("closed")),
        lost_and(lambda outbox, clock: outbox.expire()),
        lost_and(lambda outbox, clock: outbox.take()),
        lost_and(lambda outbox, clock: outbox.accept("new", 1)),
    ],
)
def test_one_that_is_over_is_forgotten_and_its_key_too(
    end: Callable[[Outbox, Clock], object], clock: Clock
) -> None:
    outbox = make(clock, on_full="drop-oldest", max_pending=2)
    for message in "ab":
        outbox.accept(message, 1, key="k", ttl=5)
    old = [weakref.ref(delivery) for delivery in outbox.take()]
    end(outbox, clock)
    assert [reference() for reference in old] == [None, None]
    outbox.clear("cleared")
    new = outbox.accept("new", 1, key="k")
    assert outbox.take() == [new]
    outbox.confirm_keys(["k"])
    assert states(new) == [("CONFIRMED", "acknowledged")]
    assert outbox.unconfirmed == 0


# Where the other side counts too, and goes on over another connection


def taken(outbox: Outbox, messages: str) -> list[Delivery]:
    for message in messages:
        outbox.accept(message, 1)
    return outbox.take()


def test_the_other_side_may_limit_what_is_unconfirmed() -> None:
    outbox = make(max_unconfirmed=1000, max_unconfirmed_bytes=1000)
    outbox.limit(3, 10)
    assert [delivery.message for delivery in taken(outbox, "abcd")] == ["a", "b", "c"]
    assert not outbox.is_clear(0)
    outbox.confirm_before(4, "session")
    outbox.clear("cleared")
    for size in (6, 4, 1):
        outbox.accept(str(size), size)
    assert [delivery.size for delivery in outbox.take()] == [6, 4]
    outbox.confirm_before(5, "session")
    assert [delivery.size for delivery in outbox.take()] == [1]


def test_it_is_half_of_that_limit_which_is_time_to_ask() -> None:
    outbox = make()
    outbox.limit(4, 100)
    taken(outbox, "a")
    assert not outbox.is_window_half_full
    taken(outbox, "b")
    assert outbox.is_window_half_full
    outbox.confirm_before(2, "session")
    outbox.accept_sent("", 50)
    assert outbox.is_window_half_full


def test_a_limit_is_none_for_one_message() -> None:
    outbox = make()
    outbox.limit(2, 3)
    large = outbox.accept("large", 100)
    assert outbox.take() == [large]


def test_a_limit_allows_no_more_than_the_bounds() -> None:
    outbox = make(max_unconfirmed=2, max_unconfirmed_bytes=10)
    outbox.limit(10**6, 10**9)
    for confirmed in (2, 4):
        assert len(taken(outbox, "abc")) == 2
        outbox.confirm_before(confirmed, "session")
        outbox.clear("cleared")
    for size in (6, 5):
        outbox.accept(str(size), size)
    assert [delivery.size for delivery in outbox.take()] == [6]


def test_a_limit_is_of_what_comes_and_not_of_what_was_sent() -> None:
    outbox = make()
    deliveries = taken(outbox, "abcd")
    outbox.limit(2, 1000)
    assert states(*deliveries) == [("SENT", None)] * 4
    assert taken(outbox, "e") == []
    outbox.confirm_before(2, "session")
    assert outbox.take() == []
    outbox.confirm_before(3, "session")
    assert [delivery.message for delivery in outbox.take()] == ["e"]


def test_a_limit_outlives_losses_and_confirmations() -> None:
    outbox = make()
    outbox.limit(2, 1000)
    for confirmed in (2, 4, 6):
        assert len(taken(outbox, "ab")) == 2
        outbox.confirm_before(confirmed, "session")
    taken(outbox, "abc")
    outbox.connection_lost()
    taken(outbox, "de")
    sizes = []
    for confirmed in (1, 3, 5):
        outbox.confirm_before(confirmed, "session")
        sizes.append(len(outbox.take()))
    assert sizes == [2, 2, 0]


@pytest.mark.parametrize("index", range(7))
def test_what_the_other_side_has_not_is_sent_again(index: int) -> None:
    outbox = make(max_unconfirmed=5)
    deliveries = taken(outbox, "abcde")
    outbox.accept("f", 1)
    outbox.confirm_before(2, "session")
    again = outbox.resend_from(index)
    # What is confirmed is not there any more, and what waits is sent for the first time.
    assert again == deliveries[max(2, index) :]
    assert states(*deliveries[2:]) == [("SENT", None)] * 3
    assert (outbox.unconfirmed, outbox.unconfirmed_bytes, outbox.sent) == (3, 3, 5)
    assert (outbox.stats.sent, outbox.stats.resent) == (5 + len(again), len(again))
    assert list(outbox) == ["f"]
    # A second time, as it may be.
    assert outbox.resend_from(index) == again
    outbox.confirm_before(4, "session")
    assert states(*deliveries) == [("CONFIRMED", "session")] * 4 + [("SENT", None)]


def test_where_nothing_was_sent_nothing_is_sent_again() -> None:
    outbox = make()
    outbox.accept("waits", 1)
    assert outbox.resend_from(0) == []
    taken(outbox, "a")
    outbox.confirm_before(2, "session")
    assert outbox.resend_from(0) == outbox.resend_from(2) == []
    assert (outbox.stats.sent, outbox.stats.resent) == (2, 0)


def test_an_outbox_goes_on_where_another_one_has_been() -> None:
    outbox = make()
    deliveries = outbox.restore(7, iter([("a", 2), (b"b", 3)]))
    assert [(delivery.message, delivery.size) for delivery in deliveries] == [("a", 2), (b"b", 3)]
    assert states(*deliveries) == [("SENT", None)] * 2
    assert (outbox.sent, outbox.unconfirmed, outbox.unconfirmed_bytes) == (9, 2, 5)
    assert outbox.take() == []
    assert outbox.resend_from(8) == deliveries[1:]
    (c,) = taken(outbox, "c")
    outbox.confirm_before(8, "session")
    assert states(*deliveries, c) == [("CONFIRMED", "session"), ("SENT", None), ("SENT", None)]
    outbox.confirm_before(10, "session")
    assert states(*deliveries, c) == [("CONFIRMED", "session")] * 3
    assert (outbox.unconfirmed, outbox.unconfirmed_bytes) == (0, 0)
    assert (outbox.stats.accepted, outbox.stats.confirmed) == (3, 3)


def test_nothing_may_have_been_left() -> None:
    outbox = make()
    assert outbox.restore(7, []) == []
    assert (outbox.sent, outbox.unconfirmed) == (7, 0)
    (a,) = taken(outbox, "a")
    outbox.confirm_before(7, "session")
    assert states(a) == [("SENT", None)]
    assert outbox.resend_from(7) == [a]


def test_what_is_restored_is_within_the_window_or_fills_it() -> None:
    outbox = make(max_unconfirmed=2)
    outbox.restore(0, [("a", 1), ("b", 1), ("c", 1)])
    assert taken(outbox, "d") == []
    outbox.confirm_before(2, "session")
    assert [delivery.message for delivery in outbox.take()] == ["d"]


def test_what_is_restored_was_sent_by_another_outbox() -> None:
    """So it counts as sent when it is sent again, which is not the first time."""
    outbox = make()
    outbox.restore(7, [("a", 1), ("b", 1)])
    assert (outbox.stats.sent, outbox.stats.resent) == (0, 0)
    outbox.resend_from(8)
    assert (outbox.stats.sent, outbox.stats.resent) == (1, 1)


def test_nothing_is_in_doubt_where_the_other_side_knows_what_it_has() -> None:
    outbox = make(in_doubt="drop")
    outbox.keeps_unconfirmed = True
    deliveries = taken(outbox, "ab")
    outbox.accept("c", 1)
    outbox.connection_lost()
    assert states(*deliveries) == [("SENT", None)] * 2
    assert (outbox.sent, outbox.unconfirmed, outbox.pending) == (2, 2, 1)
    assert outbox.resend_from(1) == deliveries[1:]
    outbox.confirm_before(1, "session")
    # Until there is a reason for which all of it is lost.
    outbox.connection_lost("session ended")
    assert states(*deliveries) == [("CONFIRMED", "session"), ("DROPPED", "session ended")]
    assert (outbox.unconfirmed, outbox.pending) == (0, 1)


def test_what_is_unfinished_in_the_order_of_sending() -> None:
    outbox = make(max_unconfirmed=3)
    assert outbox.unfinished() == []
    taken(outbox, "abcde")
    outbox.confirm_before(1, "session")
    assert outbox.unfinished() == [*"bcde"]
    outbox.confirm_before(3, "session")
    assert outbox.unfinished() == [*"de"]


# What is logged


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records if record.name == "readystate"]


def test_the_first_message_that_is_dropped_is_told_of(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    outbox = make(clock)
    for _ in range(2):
        outbox.accept("a secret", 1234, ttl=1)
    outbox.take()
    outbox.connection_lost()
    clock.now = 1
    outbox.expire()
    outbox.accept("another", 1)
    outbox.clear("closed")
    (warning,) = warnings_of(caplog)
    assert "1234 bytes" in warning
    assert "expired" in warning
    assert "secret" not in warning
    assert outbox.stats.dropped == {"expired": 2, "closed": 1}


@pytest.mark.parametrize("reason", ["cleared", "aborted", "taken over"])
def test_what_was_asked_for_is_not_told_of(reason: Any, caplog: pytest.LogCaptureFixture) -> None:
    outbox = make(on_full="drop-newest", max_pending=1)
    outbox.accept("a", 1)
    outbox.clear(reason)
    assert warnings_of(caplog) == []
    # And it was not counted as the first.
    outbox.accept("b", 1)
    outbox.accept("c", 1)
    assert len(warnings_of(caplog)) == 1


def test_what_somebody_awaits_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        outbox = make(in_doubt="drop")
        delivery = outbox.accept("a", 1)
        outbox.take()
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            await delivery

        waiting = asyncio.create_task(wait())
        await begun.wait()
        outbox.connection_lost()
        with pytest.raises(MessageDropped, match="in doubt"):
            await asyncio.wait_for(waiting, 10)
        assert warnings_of(caplog) == []
        outbox.accept("b", 1)
        outbox.clear("closed")
        assert len(warnings_of(caplog)) == 1

    asyncio.run(main())
