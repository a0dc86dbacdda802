"""Whatever fails: what arrives is what the queue says has arrived, once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from readystate_server.lab import Server
from readystate_server.lab.process import ServerProcess
from readystate_server.testing.inpage import new_id
from tests.faults import arrivals, check, problems_of_tail, send_through

CONFIRMATIONS = ("heartbeat", "acks", "acks-drop", "heartbeat-drop", "none")
KINDS = ("text", "binary")
FEW = 20
MANY = 1_000
NOT_FEW = 3_000


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the first connections.

    Attributes:
        plan: The queries of the first connections, for many messages.
        comes_early: Whether there is no connection before it is over.
        pulse: The heartbeat that finds it out.
        options: Further ones of the queue.
    """

    plan: list[dict[str, Any]]
    comes_early: bool = False
    pulse: tuple[float, float] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def before_open(options: dict[str, Any] | None = None, **query: Any) -> Fault:
    return Fault([query], comes_early=True, options=options or {})


def mid_burst(
    pulse: tuple[float, float] | None = None, options: dict[str, Any] | None = None, **query: Any
) -> Fault:
    plan = [{**query, "after": 300}, {**query, "after": 100}]
    return Fault(plan, pulse=pulse, options=options or {})


FAULTS = {
    "refused with 403": before_open(fault="refuse", status=403),
    "refused with 503": before_open(fault="refuse", status=503),
    "slow": before_open(options={"connect_timeout": 1}, fault="slow", wait=30),
    "aborted": before_open(fault="abort"),
    "dropped": mid_burst(fault="drop"),
    "closed with 1001": mid_burst(fault="close", code=1001),
    "closed with 1011": mid_burst(fault="close", code=1011),
    "closed with 1012": mid_burst(fault="close", code=1012),
    "closed with 4000": mid_burst(fault="close", code=4000),
    "stalled": mid_burst((0.1, 0.4), {"max_unconfirmed_bytes": 2**21}, fault="stall"),
    "deaf": mid_burst((0.1, 0.4), {"max_unconfirmed_bytes": 2**21}, fault="deaf"),
}


CASES = [
    (name, confirmation, KINDS[(row + column) % 2], 1 if (row + column) % 3 == 2 else MANY)
    for row, name in enumerate(FAULTS)
    for column, confirmation in enumerate(CONFIRMATIONS)
]
"""Each fault with each confirmation, with text and binary, one message and many."""


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
    fault = FAULTS[name]
    plan = fault.plan
    if count == 1 and not fault.comes_early:
        plan = [{**plan[0], "after": 1}]
    if confirmation == "none":
        plan = plan[:1]  # A second fault might come when nothing is waited for any more.
    # If nothing is sent again, nothing may be left for the second connection.
    losses = 0 if fault.comes_early else len(plan) if confirmation in ("heartbeat", "acks") else 1
    result, journal, arrived = await account(
        server,
        confirmation,
        kind,
        plan=plan,
        steps=[("put", count), ("until lost", losses)],
        pulse=fault.pulse,
        options={"max_pending": MANY if fault.comes_early else 200, **fault.options},
    )
    if fault.comes_early:
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
    assert not (wrong := problems_of_tail(result, before, after, confirmation)), "\n".join(wrong)
