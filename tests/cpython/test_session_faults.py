"""Whatever fails: in a session each message arrives exactly once and in order, at both ends."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from readystate_server.lab import Server
from readystate_server.testing.inpage import new_id
from tests.faults import arrivals, exchange

from . import test_faults as faults
from .test_faults import Fault

MANY = 1_000
NOT_FEW = 3_000
NAMES = (
    *("refused with 403", "slow", "aborted", "dropped"),
    *("closed with 1001", "closed with 1012", "stalled", "deaf"),
)
AT_ONCE = Fault([{"fault": "drop"}, {"fault": "drop", "after": 1}])
FAULTS = {**{name: faults.FAULTS[name] for name in NAMES}, "dropped at once": AT_ONCE}


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
    fault, id = FAULTS[name], new_id()
    result = await exchange(
        base=server.ws_url(""),
        id=id,
        plan=fault.plan,
        kind=kind,
        count=count,
        pulse=fault.pulse or (5, 20),
        options=fault.options,
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
