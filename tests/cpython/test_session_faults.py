"""Whatever fails: in a session each message arrives exactly once and in order, at both ends."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from readystate_server.lab import Server
from readystate_server.testing.inpage import new_id
from tests.faults import arrivals, exchange

MANY = 1_000
NOT_FEW = 3_000
# The queries of the first connections, the heartbeat that finds the fault out, and options.
FAULTS: dict[str, tuple[list[dict[str, Any]], tuple[float, float], dict[str, Any]]] = {
    "refused with 403": ([{"fault": "refuse", "status": 403}], (5, 20), {}),
    "slow": ([{"fault": "slow", "wait": 30}], (5, 20), {"connect_timeout": 1}),
    "aborted": ([{"fault": "abort"}], (5, 20), {}),
    "dropped": ([{"fault": "drop", "after": 300}, {"fault": "drop", "after": 100}], (5, 20), {}),
    "dropped at once": ([{"fault": "drop"}, {"fault": "drop", "after": 1}], (5, 20), {}),
    "closed with 1001": ([{"fault": "close", "code": 1001, "after": 300}], (5, 20), {}),
    "closed with 1012": ([{"fault": "close", "code": 1012, "after": 300}], (5, 20), {}),
    "stalled": ([{"fault": "stall", "after": 300}], (0.1, 0.4), {"max_unconfirmed_bytes": 2**21}),
    "deaf": ([{"fault": "deaf", "after": 300}], (0.1, 0.4), {"max_unconfirmed_bytes": 2**21}),
}


def check(
    server: Server,
    id: str,
    result: dict[str, Any],
    *,
    kind: str,
    count: int,
    is_small: bool = False,
) -> None:
    """Each message arrived once and in order, at both ends, and both know it."""
    applications = server.journal(f"{id}/session", closed=1, timeout=60)
    # If the answer to "open" was lost, there is one that nobody knows of.
    (handled,) = [application for application in applications if application["count"]]
    arrived = arrivals([handled], count, kind=kind, is_small=is_small)
    assert arrived == [*range(count)]
    assert handled["close"] == {"code": 1000, "reason": "", "clean": True}
    assert (result["wrong"], result["late"]) == ([], 0)
    assert result["confirmed"] == result["accepted"] == count
    assert (result["dropped"], result["left"]) == ({}, 0)
    assert "ConnectionClosedOK" in result["end"]


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        *((name, ("text", "binary")[row % 2], MANY) for row, name in enumerate(FAULTS)),
        ("dropped at once", "text", 1),
        ("dropped", "text", MANY),
        ("deaf", "text", MANY),
    ],
)
async def test_a_fault(server: Server, name: str, kind: str, count: int) -> None:
    plan, pulse, options = FAULTS[name]
    id = new_id()
    result = await exchange(
        base=server.ws_url(""),
        id=id,
        plan=plan,
        kind=kind,
        count=count,
        pulse=pulse,
        options=options,
    )
    await asyncio.to_thread(check, server, id, result, kind=kind, count=count)
    assert result["attempts"] > 1, "there was no fault"


@pytest.mark.parametrize("kind", ["text", "binary"])
async def test_no_connection_lasts(server: Server, kind: str) -> None:
    """Each one is aborted after 50 to 500 messages, for ever."""
    id, chance = new_id(), random.Random(1)  # noqa: S311
    result = await exchange(
        base=server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": chance.randint(50, 500)} for _ in range(100)],
        is_endless=True,
        kind=kind,
        count=NOT_FEW,
        is_small=True,
        # The window is sent anew each time.
        options={"max_unconfirmed": 2**11},
    )
    await asyncio.to_thread(check, server, id, result, kind=kind, count=NOT_FEW, is_small=True)
    assert result["reconnects"] >= NOT_FEW // 500
