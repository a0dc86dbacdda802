"""Sessions under load and loss: each fault at least once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.long.scale import faults, report
from tests.long.scale.run import Plan, run

CLIENTS = 300
EVERY = 4.0


def test_nothing_is_lost_whatever_breaks(tmp_path: Path) -> None:
    plan = Plan(clients=CLIENTS, seconds=60, faults=[*faults.ALL], every=EVERY, seed=7)
    results = report.report(asyncio.run(run(plan, tmp_path)), "")
    assert results["problems"] == {}, report.words(results)
    assert {fault["name"] for fault in results["faults"]} == set(faults.ALL)


def test_nothing_is_lost_without_redis_when_connections_are(tmp_path: Path) -> None:
    """One process, which must not be killed: it keeps its sessions in memory."""
    plan = Plan(
        clients=CLIENTS,
        servers=1,
        seconds=20,
        faults=["abort", "half-open", "stop"],
        every=EVERY,
        seed=7,
        store="memory",
    )
    results = report.report(asyncio.run(run(plan, tmp_path)), "")
    assert results["problems"] == {}, report.words(results)
