"""Sessions of many clients and several servers that fail: the small form of tests.long.scale."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.long.scale import faults, picture, report
from tests.long.scale.accounts import Account, Journal, balance, pack
from tests.long.scale.run import Outcome, Plan, run

CLIENTS = 50


def outcome_of(folder: Path, **options: object) -> Outcome:
    plan = Plan(clients=CLIENTS, servers=2, processes=1, ramp=0.5, rate=10, every=0.5, seed=7)
    for name, value in options.items():
        setattr(plan, name, value)
    return asyncio.run(run(plan, folder))


def test_nothing_is_lost_with_redis_though_servers_are_killed(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, seconds=3, faults=["kill", "abort"], drain=10)
    results = report.report(outcome, "")
    assert results["problems"] == {}
    assert results["accounts"]["sent"] >= CLIENTS
    assert {fault["name"] for fault in results["faults"]} == {"kill", "abort"}
    assert picture.svg(results).count("<polyline") == 8
    assert results["latency"]["kill"]["up"]["count"]
    assert "problems: none" in report.words(results)


def account(**changes: object) -> Account:
    right = {"client": 1, "sent": 3, "confirmed": 3, "dropped": 0, "answers": 3}
    return Account(**{**right, "twice": 0, "disordered": 0, "lost": 0, **changes})  # type: ignore[arg-type]


def journal_of(*records: tuple[str, int, int]) -> Journal:
    """Of client 1: process, run of the handler, number."""
    journal = Journal()
    for process, run_number, number in records:
        journal.read(process, pack(1, number, number, run_number, "0" * 64))
    return journal


ALL = [("a", 1, 1), ("a", 1, 2), ("a", 1, 3)]


@pytest.mark.parametrize(
    ("records", "changes", "problems"),
    [
        (ALL, {}, {}),
        # What another process receives again, as nobody was done with it, is allowed.
        ([*ALL, ("b", 1, 3)], {}, {}),
        ([*ALL, ("a", 2, 2), ("a", 2, 3)], {}, {}),
        ([*ALL, ("a", 1, 3)], {}, {"client's messages twice in one run": 1}),
        ([*ALL[:2], ("b", 1, 4)], {"sent": 4, "confirmed": 4}, {"client's messages lost": 1}),
        ([ALL[0], ALL[2]], {}, {"client's messages out of order": 1}),
        (ALL, {"confirmed": 2}, {"client's messages not confirmed": 1}),
        (ALL, {"lost": 1}, {"server's messages lost": 1}),
        (ALL, {"twice": 2}, {"server's messages twice": 2}),
        (ALL, {"end": "SessionExpired"}, {"sessions that ended by themselves": 1}),
    ],
)
def test_each_difference_is_found(
    records: list[tuple[str, int, int]], changes: dict[str, object], problems: dict[str, int]
) -> None:
    found = balance([account(**changes)], journal_of(*records), clients=1)
    assert found.problems == problems
    assert bool(found) == (not problems)


def test_faults_are_those_of_the_seed() -> None:
    assert faults.chosen("all", has_redis=True) == list(faults.ALL)
    assert "redis-kill" not in faults.chosen("all", has_redis=False)
    with pytest.raises(ValueError, match="needs Redis"):
        faults.chosen("redis-kill", has_redis=False)
    with pytest.raises(ValueError, match="none of"):
        faults.chosen("flood", has_redis=True)
