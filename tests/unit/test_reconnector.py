"""When to connect, without connecting."""

from __future__ import annotations

import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from readystate import Backoff
from readystate.core.reconnector import Reconnector

HEALTHY = 5.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def steady(clock: Clock, **options: float) -> Reconnector:
    """One that waits 1, 2, 4, 8 and 10 seconds."""
    return Reconnector(
        Backoff(1, 10, jitter=0, healthy=HEALTHY),
        clock=clock,
        **options,  # type: ignore[arg-type]
    )


def lives(reconnector: Reconnector, clock: Clock, seconds: float) -> None:
    """A connection comes about, and lasts so long."""
    reconnector.begin()
    reconnector.connected()
    clock.now += seconds


def test_waits_grow_with_each_failure() -> None:
    reconnector = steady(Clock())
    delays = []
    for _ in range(6):
        reconnector.begin()
        delays.append(reconnector.ended())
    assert delays == [1, 2, 4, 8, 10, 10]
    assert (reconnector.attempt, reconnector.attempts, reconnector.connections) == (6, 6, 0)


def test_only_a_healthy_connection_has_the_waits_start_anew() -> None:
    clock = Clock()
    reconnector = steady(clock)
    lives(reconnector, clock, HEALTHY - 0.1)
    assert reconnector.ended() == 1
    lives(reconnector, clock, HEALTHY - 0.1)
    assert reconnector.ended() == 2
    lives(reconnector, clock, HEALTHY)
    assert reconnector.ended() == 1
    # It was one connection: the failures after it count on.
    reconnector.begin()
    clock.now += 100
    assert reconnector.ended() == 2


def test_a_message_is_a_proof_but_no_reason_to_hurry() -> None:
    clock = Clock()
    reconnector = steady(clock, max_attempts=2)
    for delay in (1, 2, 4):
        lives(reconnector, clock, 0)
        reconnector.progressed()
        assert reconnector.attempt == 0
        assert reconnector.ended() == delay
        assert reconnector.attempt == 0


def test_a_server_that_closes_each_connection_at_once_is_given_up() -> None:
    clock = Clock()
    reconnector = steady(clock, max_attempts=3)
    for delay in (1, 2, None):
        lives(reconnector, clock, 0.1)
        assert reconnector.ended() == delay
    assert reconnector.gave_up == "given up after 3 attempts in a row, in 0.3 s"
    assert reconnector.phase == "STOPPED"


def test_giving_up_after_a_time() -> None:
    clock = Clock()
    reconnector = steady(clock, give_up_after=5)
    for delay, due in ((1, 1), (2, 3), (2, 5)):
        reconnector.begin()
        assert reconnector.ended() == delay
        clock.now += delay
        assert reconnector.due == clock.now == 1000 + due
    reconnector.begin()
    assert reconnector.ended() is None
    assert reconnector.gave_up == "given up after 4 attempts in a row, in 5.0 s"


def test_the_time_counts_from_the_last_connection_that_was_of_use() -> None:
    clock = Clock()
    reconnector = steady(clock, give_up_after=5)
    lives(reconnector, clock, 100)
    assert reconnector.ended() == 1
    clock.now += 4
    lives(reconnector, clock, 0)
    assert reconnector.ended() == 1
    clock.now += 1
    reconnector.begin()
    assert reconnector.ended() is None


def test_who_comes_back_does_not_wait() -> None:
    clock = Clock()
    reconnector = steady(clock)
    reconnector.begin()
    reconnector.ended()
    reconnector.came_back()
    assert reconnector.due == clock.now
    reconnector.begin()
    reconnector.came_back()
    clock.now += 4.9
    assert reconnector.ended() == 0
    # Once.
    reconnector.begin()
    assert reconnector.ended() == 4


def test_that_it_came_back_long_ago_does_not_matter() -> None:
    clock = Clock()
    reconnector = steady(clock)
    reconnector.begin()
    reconnector.came_back()
    clock.now += 5
    assert reconnector.ended() == 1


def test_without_a_network_waits_are_long() -> None:
    reconnector = steady(Clock())
    reconnector.is_online = False
    reconnector.begin()
    assert reconnector.ended() == 10


def test_hurry_ends_a_wait_and_nothing_else() -> None:
    clock = Clock()
    reconnector = steady(clock)
    reconnector.hurry()
    reconnector.begin()
    reconnector.hurry()
    assert reconnector.ended() == 1
    reconnector.hurry()
    assert reconnector.due == clock.now


def test_the_first_reason_to_stop_counts() -> None:
    reconnector = steady(Clock())
    reconnector.stop("closed")
    reconnector.stop("again")
    assert reconnector.gave_up == "closed"
    with pytest.raises(RuntimeError, match="STOPPED"):
        reconnector.begin()


def test_one_backoff_serves_several() -> None:
    backoff = Backoff(1, 10, jitter=0)
    first, second = Reconnector(backoff), Reconnector(backoff)
    first.begin()
    assert first.ended() == 1
    second.begin()
    assert second.ended() == 1


class Machine(RuleBasedStateMachine):
    """Whatever happens, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.max_attempts: float = math.inf
        # Powers of two: no sum of them is rounded.
        self.backoff = Backoff(0.5, 32, random=lambda: 0.25)
        self.reconnector = Reconnector(self.backoff, max_attempts=None, clock=self.clock)
        self.under_way = 0

    @precondition(lambda self: self.reconnector.attempts == 0)
    @rule(
        max_attempts=st.none() | st.integers(1, 5),
        give_up_after=st.none() | st.integers(0, 100),
        maximum=st.integers(1, 60),
    )
    def configure(self, max_attempts: int | None, give_up_after: int | None, maximum: int) -> None:
        self.max_attempts = max_attempts or math.inf
        self.backoff = Backoff(0.5, maximum, random=lambda: 0.25)
        self.reconnector = Reconnector(
            self.backoff,
            max_attempts=max_attempts,
            give_up_after=give_up_after,
            clock=self.clock,
        )

    @rule(seconds=st.integers(0, 50))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def begin(self) -> None:
        may_begin = self.reconnector.phase in ("IDLE", "WAITING")
        try:
            self.reconnector.begin()
        except RuntimeError:
            assert not may_begin
        else:
            assert may_begin
            assert self.under_way == 0, "two attempts at once"
            self.under_way = 1

    @rule()
    def connected(self) -> None:
        self.reconnector.connected()

    @rule()
    def progressed(self) -> None:
        self.reconnector.progressed()

    @rule()
    def ended(self) -> None:
        was_under_way = self.under_way
        delay = self.reconnector.ended()
        self.under_way = 0
        if delay is None:
            assert self.reconnector.gave_up or not was_under_way
        elif was_under_way:
            assert 0 <= delay <= self.backoff.maximum
        assert self.reconnector.attempt <= self.max_attempts

    @rule(online=st.booleans())
    def network_changes(self, online: bool) -> None:
        self.reconnector.is_online = online
        if online:
            self.reconnector.came_back()
            if self.reconnector.phase == "WAITING":
                assert self.reconnector.due <= self.clock.now

    @rule()
    def hurry(self) -> None:
        self.reconnector.hurry()

    @precondition(lambda self: self.reconnector.attempts > 5)
    @rule()
    def stop(self) -> None:
        self.reconnector.stop("closed")
        self.under_way = 0

    @invariant()
    def it_never_stops_without_a_reason(self) -> None:
        assert (self.reconnector.phase == "STOPPED") == (self.reconnector.gave_up is not None)

    @invariant()
    def it_always_has_something_to_wait_for(self) -> None:
        phase, due = self.reconnector.phase, self.reconnector.due
        assert (phase == "WAITING") == (due < math.inf)
        assert due - self.clock.now <= self.backoff.maximum or due == math.inf

    @invariant()
    def it_knows_what_is_under_way(self) -> None:
        assert (self.reconnector.phase in ("CONNECTING", "OPEN")) == bool(self.under_way)


TestMachine = Machine.TestCase
