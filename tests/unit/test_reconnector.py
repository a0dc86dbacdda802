"""When to connect, without connecting."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readystate import Backoff
from readystate.core.reconnector import Reconnector

from .outboxes import Clock
from .rules import Rule, follow, parse

RULES = """
waits grow with each failure
    begin; ended; begin; ended; begin; ended    > 1 2 4
    begin; ended; begin; ended; begin; ended    > 8 10 10   ? attempt=6 attempts=6 connections=0
only a healthy connection has the waits start anew
    lives 4.9; ended        > 1
    lives 4.9; ended        > 2
    lives 5; ended          > 1
    begin; pass 100; ended  > 2
a message is a proof, but no reason to hurry  [max_attempts=2]
    lives 0; progressed             ? attempt=0
    ended                   > 1     ? attempt=0
    lives 0; progressed; ended > 2  ? attempt=0
    lives 0; progressed; ended > 4  ? attempt=0
a server that closes each connection at once is given up  [max_attempts=3]
    lives 0.1; ended        > 1
    lives 0.1; ended        > 2
    lives 0.1; ended        > given up after 3 attempts in a row, in 0.3 s  ? phase=STOPPED
giving up after a time  [give_up_after=5]
    begin; ended            > 1     ? due=1
    pass 1; begin; ended    > 2     ? due=3
    pass 2; begin; ended    > 2     ? due=5
    pass 2; begin; ended    > given up after 4 attempts in a row, in 5.0 s  ? phase=STOPPED
a message is a proof for the time too  [give_up_after=5]
    lives 4; progressed; ended  > 1
    pass 1; lives 4; ended  > given up after 1 attempts in a row, in 5.0 s
a proof is that of one connection  [give_up_after=5]
    lives 0; progressed; ended > 1
    pass 1; lives 2; ended  > 2     ? attempt=1
    pass 2; begin; ended    > given up after 2 attempts in a row, in 5.0 s
the time counts from the last connection that was of use  [give_up_after=5]
    lives 100; ended        > 1
    pass 4; lives 0; ended  > 1
    pass 1; begin; ended    > given up after 2 attempts in a row, in 5.0 s
who comes back does not wait, but once
    begin; ended            > 1     ? due=1
    came_back                       ? due=0
    begin; came_back; pass 4.9; ended > 0
    begin; ended            > 4
that it came back long ago does not matter
    begin; came_back; pass 5; ended > 1
without a network waits are long
    offline; begin; ended   > 10
hurry ends a wait, and nothing else
    hurry                           ? phase=IDLE due=inf
    begin; hurry                    ? phase=CONNECTING due=inf
    connected; hurry                ? phase=OPEN due=inf
    ended                   > 1     ? phase=WAITING due=1
    hurry                           ? due=0
    pass 1; hurry                   ? due=0
    ended                   > -1
    stop closed; hurry; came_back   ? phase=STOPPED due=inf
who asks for another connection begins anew  [give_up_after=5]
    restart                         ? phase=IDLE due=inf
    begin; ended; begin; ended > 1 2
    pass 3; restart                 ? phase=WAITING attempt=0 due=3
    begin; restart                  ? phase=WAITING attempt=0
    begin; ended            > 1     ? attempt=1
    pass 5; begin; ended    > given up after 2 attempts in a row, in 5.0 s
    restart                         ? phase=STOPPED
attempts come one after the other
    begin                           ? phase=CONNECTING
    begin                           ! RuntimeError
    connected                       ? phase=OPEN connections=1
    begin                           ! RuntimeError
    connected                       ? connections=1
    ended                   > 1     ? phase=WAITING
    connected                       ? phase=WAITING connections=1
    begin; progressed               ? phase=CONNECTING due=inf attempt=2
the first reason to stop counts
    stop closed; stop again         ? gave_up=closed
    begin                           ! RuntimeError
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule) -> None:
    """Of one that waits 1, 2, 4, 8 and 10 seconds."""
    clock = Clock()
    options: dict[str, Any] = {name: int(value) for name, value in rule.options.items()}
    backoff = Backoff(1, 10, jitter=0, healthy=5)
    reconnector = Reconnector(backoff, clock=clock, **options)

    def do(what: str, *words: str) -> list[str]:
        match what:
            case "lives":  # A connection comes about, and lasts so long.
                reconnector.begin()
                reconnector.connected()
                clock.now += float(words[0])
            case "pass":
                clock.now += float(words[0])
            case "offline":
                reconnector.is_online = False
            case "ended":
                delay = reconnector.ended()
                return str(reconnector.gave_up).split() if delay is None else [f"{delay:g}"]
            case _:
                getattr(reconnector, what)(*words)
        return []

    follow(rule, do, lambda name: getattr(reconnector, name), RuntimeError)


class Machine(RuleBasedStateMachine):
    """Whatever happens, in whatever order."""

    @initialize(
        maximum=st.integers(1, 60),
        max_attempts=st.none() | st.integers(1, 5),
        give_up_after=st.none() | st.integers(0, 100),
    )
    def make(self, maximum: int, max_attempts: int | None, give_up_after: int | None) -> None:
        self.clock = Clock()
        self.max_attempts = max_attempts or math.inf
        # Powers of two: no sum of them is rounded.
        self.backoff = Backoff(0.5, maximum, random=lambda: 0.25)
        limits = {"max_attempts": max_attempts, "give_up_after": give_up_after}
        self.reconnector = Reconnector(self.backoff, clock=self.clock, **limits)
        self.is_under_way = False

    @rule(seconds=st.integers(0, 50))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def begin(self) -> None:
        if self.reconnector.phase in ("IDLE", "WAITING"):
            self.reconnector.begin()
            self.is_under_way = True
        else:
            with pytest.raises(RuntimeError):
                self.reconnector.begin()

    @rule(what=st.sampled_from(["connected", "progressed", "hurry"]))
    def happens(self, what: str) -> None:
        getattr(self.reconnector, what)()

    @rule()
    def ended(self) -> None:
        was_under_way, self.is_under_way = self.is_under_way, False
        delay = self.reconnector.ended()
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

    @precondition(lambda self: self.reconnector.attempts > 5)
    @rule()
    def stop(self) -> None:
        self.reconnector.stop("closed")
        self.is_under_way = False

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
        assert (self.reconnector.phase in ("CONNECTING", "OPEN")) == self.is_under_way


TestMachine = Machine.TestCase
