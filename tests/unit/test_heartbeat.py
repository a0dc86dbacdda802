"""The heartbeat, on a clock of its own."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate import Acks, Heartbeat, Session
from readystate.core.heartbeat import Pulse

from .rules import Rule, follow, parse

# The arguments


@pytest.mark.parametrize(
    ("kind", "positional", "named"),
    [
        (Heartbeat, (), {"interval": 1, "timeout": 1}),
        (Heartbeat, ("ping",), {"interval": 1}),
        (Heartbeat, ("ping",), {"timeout": 1}),
        (Heartbeat, ("ping", 1, 1), {}),
        (Acks, (len,), {}),
        (Acks, (len, list, False), {}),
    ],
)
def test_arguments_that_are_missing_or_have_no_name(kind: Any, positional: Any, named: Any) -> None:
    with pytest.raises(TypeError):
        kind(*positional, **named)


def test_they_keep_what_they_are_given() -> None:
    heartbeat = Heartbeat(bytes, interval=20, timeout=10, is_reply=bool)
    assert (heartbeat.message, heartbeat.interval, heartbeat.timeout) == (bytes, 20, 10)
    assert (heartbeat.is_reply, heartbeat.when_quiet) == (bool, False)
    assert Heartbeat("ping", interval=0.1, timeout=0.1).is_reply is None
    assert Session(interval=7).heartbeat.when_quiet
    acks = Acks(len, list)
    assert (acks.key, acks.acked, acks.pass_on) == (len, list, True)
    assert not Acks(key=len, acked=list, pass_on=False).pass_on


# When to send, and when it is dead

seconds = st.integers(1, 12)
steps = st.lists(st.tuples(st.sampled_from(["request", "heard", "check"]), st.integers(0, 15)))


@given(interval=seconds, timeout=seconds, steps=steps, quiet=st.booleans())
def test_it_wakes_exactly_when_there_is_something_to_do(
    interval: int, timeout: int, steps: list[tuple[str, int]], quiet: bool
) -> None:
    now = 0
    heartbeat = Heartbeat("ping", interval=interval, timeout=timeout, when_quiet=quiet)
    pulse = Pulse(heartbeat, now)
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


RULES = """
it asks each interval from when the connection is made  [interval=10 timeout=20 now=5]
    5                               ? wake_at=15
    15 check            > request   ? wake_at=25
    15 requested 0; 16 heard
    24.9 check
    25 check            > request   ? wake_at=35
it is lost when nothing answers  [interval=10 timeout=3]
    10 beat             > request   ? wake_at=13
    12.9 check
    13 check            > lost
what was heard before a request is no answer  [interval=10 timeout=3]
    9 heard; 10 beat    > request
    13 check            > lost
what comes in the last moment is one  [interval=10 timeout=3]
    10 beat             > request
    13 heard; 13 check              ? wake_at=20
    20 beat             > request
    23 check            > lost
a request out of turn puts off the next  [interval=10 timeout=100]
    0                               ? wake_at=10
    4 requested 0                   ? wake_at=14
    13.9 check
    14 check            > request
later requests do not put off the end  [interval=1 timeout=5]
    1 beat; 2 beat      > request request
    3 beat; 4 beat      > request request
    5 beat              > request   ? wake_at=6
    6 check             > lost
anything that arrives is a sign of life  [interval=10 timeout=3 replies]
    10 beat             > request
    11 heard                        ? awaits_reply=True
    13 check                        ? wake_at=20
for quiet times whatever arrives puts off the next  [interval=10 timeout=3 when_quiet]
    4 heard; 4 check                ? wake_at=14
    8 heard; 8 check                ? wake_at=18
    17 heard; 17 check              ? wake_at=27
    27 beat             > request
    30 check            > lost
a silence that nobody has asked into is none, though the timer is late  [interval=10 timeout=3]
    9 check
    100 check           > request

what has arrived while it was frozen counts, and a second chance is left  [interval=60 timeout=5]
    10 requested 0                  ? wake_at=15
    1000 heard; 1000 beat > request
    1007 check          > request
a timer that is less than a second late gives no second chance  [interval=60 timeout=5]
    10 requested 0
    15.999 check        > lost
one that is later gives one, and no other, however late it is again  [interval=60 timeout=5]
    10 requested 0
    16 beat             > request   ? wake_at=21
    20.9 check
    1000000 check       > lost
nor if it is on time then  [interval=60 timeout=5]
    10 requested 0
    1000000 beat        > request
    1000005 check       > lost
each sign of life gives another one  [interval=60 timeout=5]
    10 requested 0
    100 beat; 100 heard; 160 beat   > request request
    200 beat; 200 heard; 260 beat   > request request
    265 check           > lost
the second chance is also the next request  [interval=6 timeout=5]
    10 requested 0
    17 beat             > request
    17 check                        ? wake_at=22

without replies nothing piles up  [interval=10 timeout=10]
    0 requested 7                   ? awaits_reply=False
    0 replied           > None
the reply to a second chance comes after that to the first  [interval=60 timeout=5 replies]
    10 requested 3
    100 check           > request
    100 requested 8; 101 heard
    101 replied; 101 replied; 101 replied   > 3 8 None
the latency is that of the reply that came last  [interval=10 timeout=10 replies]
    0                               ? latency=None
    10 requested 1; 20 requested 2
    25 replied          > 1         ? latency=15
    26 replied          > 2         ? latency=6
    100 replied         > None      ? latency=6
replies are to the oldest requests, and others to none  [interval=10 timeout=10 replies]
    0 replied           > None
    0 requested 1; 0 requested 2; 0 replied > 1     ? awaits_reply=True
    0 requested 3; 0 replied; 0 replied > 2 3       ? awaits_reply=False
    0 replied           > None                      ? awaits_reply=False
an answer that is no reply is to the last request  [interval=10 timeout=10]
    10 requested 0; 20 requested 0
    23 answered                     ? latency=3

a watchdog asks for nothing, and waits for anything  [timeout=10]
    0                               ? wake_at=10
    9 check
    9 heard; 10 check               ? wake_at=19
    19 check            > lost
a watchdog that was frozen waits once more  [timeout=10]
    3600 check                      ? wake_at=3610
    3610 check          > lost
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule) -> None:
    options: dict[str, Any] = {
        name: float(value) if value else True for name, value in rule.options.items()
    }
    now = options.pop("now", 0)
    if options.pop("replies", False):
        options["is_reply"] = bool
    message = ["ping"] if "interval" in options else []
    pulse = Pulse(Heartbeat(*message, **options), now)

    def do(now: str, what: str = "", *marks: str) -> list[str]:
        """What happens at a time; ``beat`` is a check, and the request that it asks for."""
        if not what:
            return []
        result = getattr(pulse, "check" if what == "beat" else what)(float(now), *map(int, marks))
        if what == "beat":
            assert result == "request"
            pulse.requested(float(now), 0)
        return [] if result is None and what != "replied" else [str(result)]

    follow(rule, do, lambda name: getattr(pulse, name))
