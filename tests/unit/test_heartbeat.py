"""The heartbeat, on a clock of its own."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from readystate import Acks, Heartbeat, Session
from readystate.core.heartbeat import Pulse


def pulse_of(
    interval: float, timeout: float, *, replies: bool = False, quiet: bool = False, now: float = 0
) -> Pulse:
    heartbeat = Heartbeat(
        "ping",
        interval=interval,
        timeout=timeout,
        is_reply=(lambda message: message == "pong") if replies else None,
        when_quiet=quiet,
    )
    return Pulse(heartbeat, now)


# The arguments


@pytest.mark.parametrize("name", ["interval", "timeout"])
@pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, math.nan, -math.inf])
def test_a_time_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    arguments: dict[str, Any] = {"interval": 1.0, "timeout": 1.0, name: value}
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        Heartbeat("ping", **arguments)


@pytest.mark.parametrize(
    ("positional", "named"),
    [
        ((), {"interval": 1, "timeout": 1}),
        (("ping",), {"interval": 1}),
        (("ping",), {"timeout": 1}),
        (("ping", 1, 1), {}),
    ],
)
def test_what_a_heartbeat_cannot_do_without(positional: Any, named: Any) -> None:
    with pytest.raises(TypeError):
        Heartbeat(*positional, **named)


def test_a_heartbeat_keeps_what_it_is_given() -> None:
    def message() -> bytes:
        return b"ping"

    heartbeat = Heartbeat(message, interval=20, timeout=10, is_reply=bool)
    assert (heartbeat.message, heartbeat.interval, heartbeat.timeout) == (message, 20, 10)
    assert heartbeat.is_reply is bool
    plain = Heartbeat("ping", interval=0.1, timeout=0.1)
    assert plain.is_reply is None
    assert not plain.when_quiet


def test_acknowledgements_keep_what_they_are_given() -> None:
    acks = Acks(len, list)
    assert (acks.key, acks.acked, acks.pass_on) == (len, list, True)
    assert not Acks(len, list, pass_on=False).pass_on
    assert Acks(key=len, acked=list).key is len
    bad: Any = [(len,), (len, list, False)]
    for arguments in bad:
        with pytest.raises(TypeError):
            Acks(*arguments)


# When to send, and when it is dead

seconds = st.integers(1, 12)
moments = st.lists(st.integers(0, 80))


def lost_at(log: list[tuple[str, int]], timeout: int) -> float:
    """When, by ``log``, nothing at all has arrived for ``timeout`` after some request."""
    return min(
        (
            then + timeout
            for place, (what, then) in enumerate(log)
            if what == "request"
            and not any(
                other == "heard" and when <= then + timeout for other, when in log[place + 1 :]
            )
        ),
        default=math.inf,
    )


@given(
    interval=seconds,
    timeout=seconds,
    start=st.integers(0, 3),
    heard=moments,
    asked=moments,
    looks=moments,
    quiet=st.booleans(),
)
@example(interval=5, timeout=12, start=0, heard=[], asked=[], looks=[], quiet=False)
@example(interval=12, timeout=5, start=0, heard=[12, 17, 29], asked=[], looks=[], quiet=False)
@example(interval=12, timeout=5, start=0, heard=[12, 17, 29], asked=[], looks=[], quiet=True)
def test_it_asks_each_interval_and_is_lost_when_nothing_answers(
    interval: int,
    timeout: int,
    start: int,
    heard: list[int],
    asked: list[int],
    looks: list[int],
    quiet: bool,
) -> None:
    """Its timer is on time; and others may ask out of turn, or look before there is a need.

    If it is for quiet times, what arrives does as much as a request.
    """
    pulse = pulse_of(interval, timeout, quiet=quiet, now=start)
    log: list[tuple[str, int]] = []
    last_request = start
    end: float = math.inf
    for now in range(start, 81):
        for _ in range(heard.count(now)):
            pulse.heard(now)
            log.append(("heard", now))
            if quiet:
                last_request = now
        for _ in range(asked.count(now)):
            pulse.requested(now, 0)
            log.append(("request", now))
            last_request = now
        is_looked_at = now in looks or pulse.wake_at <= now
        what = pulse.check(now) if is_looked_at else None
        if what == "lost":
            end = now
            break
        assert (what == "request") == (now - last_request >= interval)
        if what == "request":
            pulse.requested(now, 0)
            log.append(("request", now))
            last_request = now
        assert pulse.wake_at > now
    expected = lost_at(log, timeout)
    assert end == (expected if expected <= 80 else math.inf)


steps = st.lists(st.tuples(st.sampled_from(["request", "heard", "check"]), st.integers(0, 15)))


@given(interval=seconds, timeout=seconds, steps=steps, quiet=st.booleans())
def test_it_wakes_exactly_when_there_is_something_to_do(
    interval: int, timeout: int, steps: list[tuple[str, int]], quiet: bool
) -> None:
    now = 0
    pulse = pulse_of(interval, timeout, quiet=quiet)
    for step, passes in steps:
        now += passes
        if step == "request":
            pulse.requested(now, 0)
        elif step == "heard":
            pulse.heard(now)
        else:
            what = pulse.check(now)
            if what == "lost":
                return
            if what == "request":
                pulse.requested(now, 0)
        wake_at = pulse.wake_at
        assert wake_at < math.inf
        for moment in range(now, now + 30):
            is_due = copy.deepcopy(pulse).check(moment) is not None
            assert is_due == (moment >= wake_at)


def test_a_request_out_of_turn_puts_off_the_next() -> None:
    pulse = pulse_of(10, 100)
    assert pulse.wake_at == 10
    pulse.requested(4, 0)
    assert pulse.wake_at == 14
    assert pulse.check(13.9) is None
    assert pulse.check(14) == "request"


def test_later_requests_do_not_put_off_the_end() -> None:
    pulse = pulse_of(1, 5)
    for now in range(1, 6):
        assert pulse.check(now) == "request"
        pulse.requested(now, 0)
    assert pulse.wake_at == 6
    assert pulse.check(6) == "lost"


def test_anything_that_arrives_is_a_sign_of_life() -> None:
    pulse = pulse_of(10, 3, replies=True)
    assert pulse.check(10) == "request"
    pulse.requested(10, 5)
    pulse.heard(11)
    assert pulse.awaits_reply
    assert pulse.check(13) is None
    assert pulse.wake_at == 20


def test_for_quiet_times_whatever_arrives_puts_off_the_next() -> None:
    pulse = pulse_of(10, 3, quiet=True)
    for now in (4, 8, 17):
        pulse.heard(now)
        assert pulse.check(now) is None
        assert pulse.wake_at == now + 10
    assert pulse.check(27) == "request"
    pulse.requested(27, 0)
    assert pulse.check(30) == "lost"


def test_a_session_asks_when_it_is_quiet() -> None:
    assert Session(interval=7).heartbeat.when_quiet


def test_a_silence_that_nobody_has_asked_into_is_none() -> None:
    pulse = pulse_of(10, 3)
    assert pulse.check(9) is None
    # Late, but there was no request.
    assert pulse.check(100) == "request"


def asked_at_10(interval: float = 60, timeout: float = 5) -> Pulse:
    """It is lost at 15."""
    pulse = pulse_of(interval, timeout)
    pulse.requested(10, 0)
    assert pulse.wake_at == 10 + timeout
    return pulse


@given(st.floats(0, 0.999))
def test_a_timer_that_is_on_time_gives_no_second_chance(late: float) -> None:
    assert asked_at_10().check(15 + late) == "lost"


late_by = st.floats(1.001, 1e6)


@given(late=late_by, late_again=st.just(0.0) | late_by)
def test_a_late_timer_gives_one_second_chance(late: float, late_again: float) -> None:
    pulse = asked_at_10()
    now = 15 + late
    assert pulse.check(now) == "request"
    pulse.requested(now, 0)
    assert pulse.wake_at == now + 5
    assert pulse.check(now + 4.9) is None
    assert pulse.check(now + 5 + late_again) == "lost"


@given(late=late_by)
def test_a_sign_of_life_gives_another_second_chance(late: float) -> None:
    pulse = asked_at_10()
    for _ in range(3):
        now = pulse.wake_at + late
        assert pulse.check(now) == "request"
        pulse.requested(now, 0)
        pulse.heard(now)
        now += 60
        assert pulse.check(now) == "request"
        pulse.requested(now, 0)
    assert pulse.check(now + 5) == "lost"


def test_what_has_arrived_while_it_was_frozen_counts() -> None:
    pulse = asked_at_10()
    pulse.heard(1000)
    assert pulse.check(1000) == "request"
    pulse.requested(1000, 0)
    # That was no second chance: it is left.
    assert pulse.check(1007) == "request"


def test_the_second_chance_is_also_the_next_request() -> None:
    pulse = asked_at_10(interval=6)
    assert pulse.check(17) == "request"
    pulse.requested(17, 0)
    assert pulse.check(17) is None
    assert pulse.wake_at == 22


# What a reply confirms

marks = st.lists(st.none() | st.integers(0, 1000))


@given(marks)
def test_replies_are_to_the_oldest_request_and_others_to_none(steps: list[int | None]) -> None:
    """``None`` stands for a reply."""
    pulse = pulse_of(10, 10, replies=True)
    requests: list[int] = []
    for mark in steps:
        if mark is not None:
            pulse.requested(0, mark)
            requests.append(mark)
        elif requests:
            assert pulse.replied(0) == requests.pop(0)
        else:
            assert pulse.replied(0) is None
        assert pulse.awaits_reply == bool(requests)


def test_without_replies_nothing_piles_up() -> None:
    pulse = pulse_of(10, 10)
    pulse.requested(0, 7)
    assert not pulse.awaits_reply
    assert pulse.replied(0) is None


def test_a_reply_to_the_second_chance_comes_after_that_to_the_first_request() -> None:
    pulse = pulse_of(60, 5, replies=True)
    pulse.requested(10, 3)
    assert pulse.check(100) == "request"
    pulse.requested(100, 8)
    pulse.heard(101)
    assert [pulse.replied(0), pulse.replied(0), pulse.replied(0)] == [3, 8, None]


# A watchdog


def test_a_watchdog_asks_for_nothing_and_waits_for_anything() -> None:
    pulse = Pulse(Heartbeat(timeout=10), 100)
    assert pulse.wake_at == 110
    assert pulse.check(109) is None
    pulse.heard(109)
    assert pulse.check(110) is None
    assert pulse.wake_at == 119
    assert pulse.check(119) == "lost"


def test_a_watchdog_that_was_frozen_waits_once_more() -> None:
    pulse = Pulse(Heartbeat(timeout=10), 100)
    assert pulse.check(3600) is None
    assert pulse.wake_at == 3610
    assert pulse.check(3610) == "lost"


def test_the_latency_is_that_of_the_reply_that_came_last() -> None:
    pulse = pulse_of(10, 10, replies=True)
    assert pulse.latency is None
    pulse.requested(10, 1)
    pulse.requested(20, 2)
    pulse.replied(25)
    assert pulse.latency == 15
    pulse.replied(26)
    assert pulse.latency == 6
    pulse.replied(100)
    assert pulse.latency == 6
