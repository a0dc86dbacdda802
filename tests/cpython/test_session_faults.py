"""Whatever fails: in a session each message arrives exactly once and in order, at both ends."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from readystate_server.lab import Server
from readystate_server.testing import Runtime, open_pyodide
from tests.faults import arrivals, exchange

MANY = 1_000
NOT_FEW = 10_000
VERY_MANY = 100_000
# For a machine that is busy with other things.
TIMEOUT = 300
# The queries of the first connections, the heartbeat that finds the fault out, and options.
FAULTS: dict[str, tuple[list[dict[str, Any]], tuple[float, float], dict[str, Any]]] = {
    "refused with 403": ([{"fault": "refuse", "status": 403}], (5, 20), {}),
    "slow": ([{"fault": "slow", "wait": 30}], (5, 20), {"connect_timeout": 1}),
    "aborted": ([{"fault": "abort"}], (5, 20), {}),
    "dropped": ([{"fault": "drop", "after": 300}, {"fault": "drop", "after": 100}], (5, 20), {}),
    "dropped at once": ([{"fault": "drop"}, {"fault": "drop", "after": 1}], (5, 20), {}),
    "closed with 1001": ([{"fault": "close", "code": 1001, "after": 300}], (5, 20), {}),
    "closed with 1012": ([{"fault": "close", "code": 1012, "after": 300}], (5, 20), {}),
    "stalled": ([{"fault": "stall", "after": 300}], (0.2, 1), {"max_unconfirmed_bytes": 2**21}),
    "deaf": ([{"fault": "deaf", "after": 300}], (0.2, 1), {"max_unconfirmed_bytes": 2**21}),
}


@pytest.fixture(scope="module")
def opened(browser: Browser, failing: Server) -> Iterator[Runtime]:
    with open_pyodide(browser, failing, "page") as opened:
        yield opened


@pytest.fixture
def place(opened: Runtime) -> Iterator[Runtime]:
    opened.console.complaints.clear()
    yield opened
    opened.console.check()


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
def test_a_fault(place: Runtime, failing: Server, name: str, kind: str, count: int) -> None:
    plan, pulse, options = FAULTS[name]
    id = str(uuid.uuid4())
    result = place.call(
        exchange,
        timeout=TIMEOUT,
        base=failing.ws_url(""),
        id=id,
        plan=plan,
        kind=kind,
        count=count,
        pulse=pulse,
        options=options,
    )
    check(failing, id, result, kind=kind, count=count)
    assert result["attempts"] > 1, "there was no fault"


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param("text", VERY_MANY, marks=pytest.mark.only_browser("chromium")),
        pytest.param("binary", NOT_FEW, marks=pytest.mark.only_browser("chromium")),
        pytest.param("text", NOT_FEW, marks=pytest.mark.only_browser("firefox")),
        pytest.param("binary", NOT_FEW // 2, marks=pytest.mark.only_browser("firefox")),
    ],
)
def test_no_connection_lasts(place: Runtime, failing: Server, kind: str, count: int) -> None:
    """Each one is aborted after 50 to 500 messages, for ever.

    The window is sent anew each time, and the browser's driver hears of each message: with the
    default of 16,384 these would be millions.
    """
    id, chance = str(uuid.uuid4()), random.Random(1)  # noqa: S311
    result = place.call(
        exchange,
        timeout=TIMEOUT,
        base=failing.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": chance.randint(50, 500)} for _ in range(100)],
        is_endless=True,
        kind=kind,
        count=count,
        is_small=True,
        options={"max_unconfirmed": 2**11},
    )
    check(failing, id, result, kind=kind, count=count, is_small=True)
    assert result["reconnects"] >= count // 500
