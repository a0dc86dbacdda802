"""Whatever fails: what arrives is what the queue says has arrived, once, and in order.

In a session each message arrives exactly once, at both ends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from readystate_server.lab import Server
from readystate_server.lab.process import ServerProcess
from readystate_server.testing.inpage import new_id
from tests.faults import accounting, arrivals, check, exchange, outcomes_of, send_through

CONFIRMATIONS = ("heartbeat", "acks", "acks-drop", "heartbeat-drop", "none")
KINDS = ("text", "binary")
FEW = 20
MANY = 1_000
NOT_FEW = 3_000
CODES = (1001, 1011, 1012, 4000)

EARLY: dict[str, dict[str, Any]] = {
    "refused with 403": {"fault": "refuse", "status": 403},
    "refused with 503": {"fault": "refuse", "status": 503},
    "slow": {"fault": "slow", "wait": 30},
    "aborted": {"fault": "abort"},
}
"""What goes wrong before the first connection is open."""
LATE: dict[str, dict[str, Any]] = {
    "dropped": {"fault": "drop"},
    **{f"closed with {code}": {"fault": "close", "code": code} for code in CODES},
    "stalled": {"fault": "stall"},
    "deaf": {"fault": "deaf"},
}
"""What goes wrong with the first two connections, after some messages."""
PLANS: dict[str, list[dict[str, Any]]] = {
    **{name: [query] for name, query in EARLY.items()},
    **{name: [{**query, "after": 300}, {**query, "after": 100}] for name, query in LATE.items()},
    "dropped at once": [{"fault": "drop"}, {"fault": "drop", "after": 1}],
}
SILENT = {"pulse": (0.1, 0.4), "options": {"max_unconfirmed_bytes": 2**21}}
HOW: dict[str, dict[str, Any]] = {
    "slow": {"options": {"connect_timeout": 1}},
    "stalled": SILENT,
    "deaf": SILENT,
}
"""What finds it out."""

CASES = [
    (name, confirmation, KINDS[(row + column) % 2], 1 if (row + column) % 3 == 2 else MANY)
    for row, name in enumerate((*EARLY, *LATE))
    for column, confirmation in enumerate(CONFIRMATIONS)
]
"""Each fault with each confirmation, with text and binary, one message and many."""
IN_SESSION = (
    *("refused with 403", "slow", "aborted", "dropped"),
    *("closed with 1001", "closed with 1012", "stalled", "deaf", "dropped at once"),
)


async def account(
    server: Server, confirmation: str, kind: str, *, is_small: bool = False, **how: Any
) -> tuple[dict[str, Any], list[dict[str, Any]], list[int]]:
    """What has come of it, which has to be right; the server's journal; and what has arrived."""
    id, address = new_id(), server.ws_url("")
    how |= {"confirmation": confirmation, "kind": kind, "is_small": is_small}
    result = await send_through(base=address, id=id, **how)
    journal, arrived = await asyncio.to_thread(
        check, server, id, result, confirmation, kind, is_small=is_small
    )
    return result, journal, arrived


@pytest.mark.parametrize(("name", "confirmation", "kind", "count"), CASES)
async def test_a_fault(server: Server, name: str, confirmation: str, kind: str, count: int) -> None:
    plan, how, comes_early = PLANS[name], HOW.get(name, {}), name in EARLY
    if count == 1 and not comes_early:
        plan = [{**plan[0], "after": 1}]
    if confirmation == "none":
        plan = plan[:1]  # A second fault might come when nothing is waited for any more.
    # If nothing is sent again, nothing may be left for the second connection.
    losses = 0 if comes_early else len(plan) if confirmation in ("heartbeat", "acks") else 1
    result, journal, arrived = await account(
        server,
        confirmation,
        kind,
        plan=plan,
        steps=[("put", count), ("until lost", losses)],
        pulse=how.get("pulse"),
        options={"max_pending": MANY if comes_early else 200, **how.get("options", {})},
    )
    if comes_early:
        assert result["attempts"] > 1, "there was no fault"
        assert journal[0]["count"] == 0
        # Nothing of it was in doubt at any time.
        assert (arrived, result["resent"], result["dropped"]) == ([*range(count)], 0, {})
    else:
        # On a busy machine a heartbeat may be late, and end a connection before its fault does.
        faults = zip(journal, plan, strict=False)
        assert any(had["count"] >= query["after"] for had, query in faults), "there was no fault"


@pytest.fixture(scope="module")
def process() -> Iterator[ServerProcess]:
    """A server that can be killed."""
    with ServerProcess() as process:
        yield process


@pytest.mark.parametrize(("confirmation", "kind"), [("acks", "text"), ("none", "binary")])
async def test_more_messages_than_may_be_in_doubt(
    server: Server, confirmation: str, kind: str
) -> None:
    """The connection is aborted twice."""
    result, journal, _ = await account(
        server,
        confirmation,
        kind,
        plan=[{"fault": "drop", "after": MANY}, {"fault": "drop", "after": MANY // 3}],
        steps=[("put until lost",), ("put to", 3 * MANY)],
        is_small=True,
        options={"max_unconfirmed": MANY // 2, "max_pending": 200},
    )
    assert journal[0]["count"] == MANY, "there was no fault"
    assert result["accepted"] >= 3 * MANY


@pytest.mark.parametrize(
    ("confirmation", "kind", "count", "after"),
    [
        ("heartbeat", "text", NOT_FEW, 300),
        ("acks", "binary", NOT_FEW, 300),
        ("heartbeat", "binary", MANY, 200),
        ("acks", "text", MANY, 200),
        ("acks-drop", "binary", MANY, 200),
        ("heartbeat-drop", "text", MANY, 200),
        ("none", "text", MANY, 200),
        *(("heartbeat", "text", FEW, after) for after in (2, 3, 7)),
        *(("acks", "binary", FEW, after) for after in (2, 7)),
    ],
)
async def test_no_connection_lasts(
    server: Server, confirmation: str, kind: str, count: int, after: int
) -> None:
    """Each one is aborted after some messages, for ever; all arrives even so, with the defaults."""
    result, journal, arrived = await account(
        server,
        confirmation,
        kind,
        plan=[{"fault": "drop", "after": after}],
        is_endless=True,
        steps=[("put", count), ("until lost", 1)],
        is_small=count != MANY,
        options={"max_attempts": 20},
    )
    assert max(connection["count"] for connection in journal) == after
    if confirmation in ("heartbeat", "acks"):
        assert len(journal) >= len(arrived) // after
        # What is sent in vain does not grow without bounds.
        assert result["sent"] < 10 * count
        assert result["attempts"] <= max(50, 5 * count // after)


@pytest.mark.parametrize(
    ("confirmation", "kind", "count"),
    [("heartbeat", "text", MANY), ("acks-drop", "binary", MANY), ("heartbeat", "binary", 1)],
)
async def test_the_server_is_killed(
    process: ServerProcess, confirmation: str, kind: str, count: int
) -> None:
    """And comes back, on the same port."""
    id = new_id()
    rest = [] if count == 1 else [("put until lost",), ("put to", count)]
    sending = asyncio.create_task(
        send_through(
            base=process.ws_url(""),
            id=id,
            plan=[],
            confirmation=confirmation,
            kind=kind,
            steps=[("put", 1), *rest, ("until lost", 1)],
            is_small=True,
            # So that it cannot do all that before the server is killed.
            options={"max_pending": 200, "max_unconfirmed": 200},
        )
    )
    many = max(1, count // 3)
    first = await asyncio.to_thread(process.journal, id, messages=many, timeout=60)
    await asyncio.to_thread(process.restart)
    result = await sending
    assert result["attempts"] >= 2
    # The single message may have been confirmed before.
    is_empty = count == 1 and result["reconnects"] == 0
    second = [] if is_empty else await asyncio.to_thread(process.journal, id, closed=1)
    before, after = (
        arrivals(journal, result["accepted"], kind=kind, is_small=True)
        for journal in (first, second)
    )
    assert not [*accounting(result)]
    # Of the one loss: what was not over yet, to the end of those that were sent.
    ((unsure, end, _),) = result["ranges"]
    start = min(after, default=result["accepted"])
    assert before == [*range(len(before))]
    assert after == [*range(start, result["accepted"])]
    assert start <= unsure, "lost, though not over when the server was killed"
    again = {*before} & {*after}
    _, _, in_doubt = outcomes_of(result)
    if confirmation.endswith("-drop"):
        assert (again, result["resent"]) == (set(), 0)
        assert max(in_doubt, default=-1) < start, "dropped, though the second server has it"
    else:
        assert (in_doubt, result["resent"]) == (set(), end - unsure)
        assert len(again) <= result["resent"]


async def exchanged(server: Server, kind: str, count: int, **how: Any) -> dict[str, Any]:
    """What has come of a session: each message arrived once and in order, and both ends know it."""
    id = new_id()
    result = await exchange(base=server.ws_url(""), id=id, kind=kind, count=count, **how)
    applications = await asyncio.to_thread(server.journal, f"{id}/session", closed=1, timeout=60)
    # If the answer to "open" was lost, there is one that nobody knows of.
    (handled,) = [application for application in applications if application["count"]]
    is_small = how.get("is_small", False)
    assert arrivals([handled], count, kind=kind, is_small=is_small) == [*range(count)]
    assert handled["close"] == {"code": 1000, "reason": "", "clean": True}
    assert (result["wrong"], result["late"]) == ([], 0)
    assert result["confirmed"] == result["accepted"] == count
    assert (result["dropped"], result["left"]) == ({}, 0)
    assert "ConnectionClosedOK" in result["end"]
    return result


@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [
        *((name, KINDS[row % 2], MANY) for row, name in enumerate(IN_SESSION)),
        *(("dropped at once", "text", 1), ("dropped", "text", MANY), ("deaf", "text", MANY)),
    ],
)
async def test_a_fault_in_a_session(server: Server, name: str, kind: str, count: int) -> None:
    result = await exchanged(server, kind, count, plan=PLANS[name], **HOW.get(name, {}))
    assert result["attempts"] > 1, "there was no fault"


@pytest.mark.parametrize("kind", KINDS)
async def test_no_connection_of_a_session_lasts(server: Server, kind: str) -> None:
    """Each one is aborted after 50 to 500 messages, for ever."""
    chance = random.Random(1)  # noqa: S311
    plan = [{"fault": "drop", "after": chance.randint(50, 500)} for _ in range(100)]
    # The window is sent anew each time.
    how = {"is_endless": True, "is_small": True, "options": {"max_unconfirmed": 2**11}}
    result = await exchanged(server, kind, NOT_FEW, plan=plan, **how)
    assert result["reconnects"] >= NOT_FEW // 500
