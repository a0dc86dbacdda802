"""What the lab makes of what it measures: the modules of its page that need no browser."""

from __future__ import annotations

import html
import importlib
import re
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate import InvalidStateError
from readystate_server.lab.places import WEB

with pytest.MonkeyPatch.context() as patch:
    # The page finds its modules beside each other.
    patch.syspath_prepend(WEB)
    race, handshakes = map(importlib.import_module, ("race", "handshakes"))

TOO_EARLY = InvalidStateError("too early", "InvalidStateError")
OVER: dict[str, Any] = {"slept": 1001.0, "is_over": True}


def record(count: int, **values: Any) -> Any:
    """Of a socket that opened after 300 ms."""
    states = [("CONNECTING", 0.0), ("OPEN", 300.0), ("CLOSED", 1100.0)]
    return race.Record("id", [str(number) for number in range(count)], states=states, **values)


def at(time: float, *messages: str) -> list[tuple[str, float]]:
    return [(message, time) for message in messages]


def test_a_message_before_open_is_lost_with_those_after_it() -> None:
    found = record(3, exception=TOO_EARLY, excepted=20.0)
    assert race.verdict(found) == (
        "failed",
        "3 of 3 messages are lost. The socket was still CONNECTING 20 ms after it was made; "
        "it opened 280 ms later.",
    )
    assert found.lost == 3
    assert found.after_open is None


@pytest.mark.parametrize(("sent", "outcome"), [(300.5, "good"), (1000.0, "late")])
def test_a_message_after_open_is_late_or_not(sent: float, outcome: str) -> None:
    # The server's clock begins 10 ms after the page's.
    found = record(2, sent=at(sent, "0", "1"), arrived=at(sent - 10, "0", "1"))
    assert race.verdict(found)[0] == outcome
    assert found.lost == 0
    assert found.after_open == found.wasted == sent - 300
    assert found.landed == [sent, sent]


@pytest.mark.parametrize("arrived", [(), ("0",), ("1", "0"), ("0", "1", "1")])
def test_what_does_not_arrive_as_it_was_sent_is_a_failure(arrived: tuple[str, ...]) -> None:
    found = record(2, sent=at(300.5, "0", "1"), arrived=at(301.0, *arrived))
    assert race.verdict(found)[0] == "failed"


def test_the_moral_is_of_the_sleep() -> None:
    early = record(1, exception=TOO_EARLY, excepted=1.0)
    late = record(1, sent=at(1000.0, "0"), arrived=at(1000.0, "0"))
    good = record(1, sent=at(300.0, "0"), arrived=at(300.0, "0"))
    assert "wasted 700 ms" in race.moral([early, late, good, good, good])
    assert "lost 1 message." in race.moral([early, early, good, good, good])
    assert "2 of 3 were on time" in race.moral([early, late, good, late, good])


def test_ways_that_do_the_same_are_judged_by_the_worst() -> None:
    early = record(1, exception=TOO_EARLY, excepted=1.0)
    quick = record(1, sent=at(300.25, "0"), arrived=at(300.25, "0"))
    slow = record(1, sent=at(302.0, "0"), arrived=at(304.0, "0"))
    fails = {"outcome": "fails", "after_open": "never", "lost": "1 of 1"}
    assert race.result([early]) == ("failed", fails)
    in_time = {"outcome": "on time", "after_open": "4.0 ms at most", "lost": "0 of 2"}
    assert race.result([quick, slow]) == ("good", in_time)
    assert race.together([quick, slow]) == (
        "All 2 messages arrived in order, sent 2.0 ms after open at most. "
        "The 2 ways differ by 1.8 ms."
    )
    outcome, fields = race.result([quick, early])
    assert (outcome, fields["lost"]) == ("failed", "1 of 2")
    assert fields["after_open"] == "never"
    assert race.together([quick, early]) == race.verdict(early)[1]


@given(st.floats(1200, 60_000))
def test_an_axis_has_a_few_round_numbers(span: float) -> None:
    ticks = race.ticks(span)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert ticks[-1] <= span < ticks[-1] + ticks.step


def test_a_network_draws_the_same_for_a_seed() -> None:
    for network in handshakes.NETWORKS.values():
        delays = network.delays(6, 2000)
        assert delays == network.delays(6, 2000) != network.delays(7, 2000)
        assert 0 < min(delays) < max(delays) <= handshakes.LONGEST
        assert median(delays) == pytest.approx(network.median, rel=0.1)
        factors = [time / network.median for time in delays]
        inner = [factor for factor in factors if 1 / network.spread < factor < network.spread]
        assert len(inner) / len(delays) == pytest.approx(2 / 3, abs=0.05)


def test_the_page_says_how_long_its_networks_take() -> None:
    page = html.unescape((WEB / "index.html").read_text())
    shown = re.findall(r'name="network" value="(\w+)".*?</b>\s*(.*?)</span>', page, re.DOTALL)
    assert shown == [(name, network.words) for name, network in handshakes.NETWORKS.items()]


def test_a_handshake_makes_the_sleep_fail_or_wastes_its_time() -> None:
    make = handshakes.Handshake
    slow = make(1200.0, opened=1205.0, flushed=1206.0, error=TOO_EARLY, arrived=1, **OVER)
    quick = make(15.0, opened=20.0, flushed=20.5, arrived=2, **OVER)
    running = make(15.0, opened=20.0, flushed=20.5)
    found = handshakes.totals([slow, quick, running])
    assert (found.count, found.failed, found.by_sleep, found.by_queue) == (2, 1, 1, 2)
    assert found.wasted == found.longest == 981
    assert (found.waited, found.longest_wait) == (1.5, 1)
    assert handshakes.verdict(found) == (
        "failed",
        "sleep(1) failed 1 of 2 times, and wasted 981 ms in the others. "
        "The queue sent all 2, 1.0 ms after open at the latest.",
    )
    assert handshakes.verdict(handshakes.totals([quick]))[0] == "late"
    assert handshakes.verdict(handshakes.totals([running]))[0] == ""


@pytest.mark.parametrize("arrived", [0, 1])
def test_a_message_that_does_not_come_back_is_said(arrived: int) -> None:
    lost = handshakes.Handshake(15.0, opened=20.0, flushed=20.5, arrived=arrived, **OVER)
    outcome, sentence = handshakes.verdict(handshakes.totals([lost]))
    assert outcome == "failed"
    assert "please report" in sentence
