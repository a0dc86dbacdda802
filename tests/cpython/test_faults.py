"""Whatever fails: what arrives is what the queue says has arrived, once, and in order."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser

from readystate_server.lab import Server
from readystate_server.lab.process import ServerProcess
from readystate_server.testing import Runtime, open_pyodide
from tests.faults import arrivals, problems, problems_of_tail, send_through

CONFIRMATIONS = ("heartbeat", "acks", "acks-drop", "heartbeat-drop", "none")
KINDS = ("text", "binary")
MANY = 1_000
NOT_FEW = 20_000
VERY_MANY = 100_000
# For a machine that is busy with other things.
TIMEOUT = 150
ONLY_CHROMIUM = pytest.mark.only_browser("chromium")
ONLY_FIREFOX = pytest.mark.only_browser("firefox")
FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the first connections.

    Attributes:
        plan: The queries of the first connections, for many messages.
        plan_for_one: For a single message.
        comes_early: Whether there is no connection before it is over.
        pulse: The heartbeat that finds it out.
        options: Further ones of the queue.
    """

    plan: list[dict[str, Any]]
    plan_for_one: list[dict[str, Any]]
    comes_early: bool = False
    pulse: tuple[float, float] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def before_open(options: dict[str, Any] | None = None, **query: Any) -> Fault:
    return Fault([query], [query], comes_early=True, options=options or {})


def mid_burst(
    pulse: tuple[float, float] | None = None,
    options: dict[str, Any] | None = None,
    **query: Any,
) -> Fault:
    plan = [{**query, "after": 300}, {**query, "after": 100}]
    return Fault(plan, [{**query, "after": 1}], pulse=pulse, options=options or {})


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
    "stalled": mid_burst((0.2, 1), {"max_unconfirmed_bytes": 2**21}, fault="stall"),
    "deaf": mid_burst((0.2, 1), {"max_unconfirmed_bytes": 2**21}, fault="deaf"),
}


@dataclass(frozen=True)
class Place:
    """A runtime, the server of its page, and where numbers are told (``--junit-xml``)."""

    runtime: Runtime
    server: Server
    tell: Callable[[str, object], None]


@pytest.fixture(scope="module")
def opened_page(browser: Browser, failing: Server) -> Iterator[Runtime]:
    with open_pyodide(browser, failing, "page") as opened:
        yield opened


@pytest.fixture(scope="module")
def opened_worker(browser: Browser, failing: Server) -> Iterator[Runtime]:
    with open_pyodide(browser, failing, "worker") as opened:
        yield opened


def placed(runtime: Runtime, server: Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    runtime.console.complaints.clear()
    yield Place(
        runtime,
        server,
        lambda name, value: request.node.user_properties.append((name, value)),
    )
    runtime.console.check()


@pytest.fixture
def page_place(
    opened_page: Runtime, failing: Server, request: pytest.FixtureRequest
) -> Iterator[Place]:
    yield from placed(opened_page, failing, request)


@pytest.fixture
def worker_place(
    opened_worker: Runtime, failing: Server, request: pytest.FixtureRequest
) -> Iterator[Place]:
    yield from placed(opened_worker, failing, request)


def new_id() -> str:
    return str(uuid.uuid4())


def parameters(names: list[str]) -> list[Any]:
    """Each of these faults with each confirmation, with text and binary, one message and many."""
    chosen = []
    for (row, name), (column, confirmation) in itertools.product(
        enumerate(names), enumerate(CONFIRMATIONS)
    ):
        kind = KINDS[(row + column) % 2]
        count = 1 if (row + column) % 3 == 2 else MANY
        id = f"{name}-{confirmation}-{kind}-{count}"
        chosen.append(pytest.param(name, confirmation, kind, count, id=id))
    return chosen


def tell(place: Place, result: dict[str, Any], journal: list[dict[str, Any]], twice: int) -> None:
    """Numbers for whoever wants to see them."""
    names = ("accepted", "sent", "resent", "dropped", "attempts", "reconnects", "seconds")
    numbers = {name: result[name] for name in names}
    place.tell("numbers", {**numbers, "connections": len(journal), "duplicates": twice})


def expect_warning(place: Place, result: dict[str, Any]) -> None:
    """What is dropped while nobody awaits it is logged once, and so comes to the console."""
    if result["dropped"]:
        complaints = place.runtime.console.complaints
        complaints[:] = [
            text for text in complaints if "and nobody awaits its Delivery" not in text
        ]


def settled(server: Server, id: str) -> list[dict[str, Any]]:
    """The journal, once nothing can be added to it.

    A connection that stalls or is deaf has had its last message, though it may last for long; and
    Firefox does not end TCP when a handshake is given up.
    """
    faults = ("=stall", "=deaf", "=slow")
    ended = 0
    while True:
        journal = server.journal(id, closed=ended, timeout=60)
        lasting = [connection for connection in journal if connection["close"] is None]
        if all(any(fault in each["query"] for fault in faults) for each in lasting):
            return journal
        ended = len(journal) - len(lasting) + 1


def check(
    place: Place,
    id: str,
    result: dict[str, Any],
    confirmation: str,
    kind: str,
    *,
    is_small: bool = False,
) -> tuple[list[dict[str, Any]], list[int]]:
    """Compares the journal with what the queue says; returns it, and the numbers of what came."""
    journal = settled(place.server, id)
    arrived = arrivals(journal, result["accepted"], kind=kind, is_small=is_small)
    tell(place, result, journal, len(arrived) - len(set(arrived)))
    expect_warning(place, result)
    result["is_clean"] = (journal[-1]["close"] or {"clean": False})["clean"]
    assert not (wrong := problems(result, arrived, confirmation)), "\n".join(wrong)
    return journal, arrived


def check_fault(place: Place, name: str, confirmation: str, kind: str, count: int) -> None:
    fault, id = FAULTS[name], new_id()
    plan = fault.plan_for_one if count == 1 else fault.plan
    if confirmation == "none":
        plan = plan[:1]  # A second fault might come when nothing is waited for any more.
    # If nothing is sent again, nothing may be left for the second connection.
    losses = 0 if fault.comes_early else len(plan) if confirmation in ("heartbeat", "acks") else 1
    result = place.runtime.call(
        send_through,
        timeout=TIMEOUT,
        base=place.server.ws_url(""),
        id=id,
        plan=plan,
        confirmation=confirmation,
        kind=kind,
        steps=[("put", count), ("until lost", losses)],
        pulse=fault.pulse,
        options={"max_pending": MANY if fault.comes_early else 200, **fault.options},
    )
    journal, arrived = check(place, id, result, confirmation, kind)
    if fault.comes_early:
        assert result["attempts"] > 1, "there was no fault"
        assert journal[0]["count"] == 0
        # Nothing of it was in doubt at any time.
        assert (arrived, result["resent"], result["dropped"]) == ([*range(count)], 0, {})
    else:
        assert journal[0]["count"] >= plan[0]["after"], "there was no fault"


@pytest.mark.parametrize(("name", "confirmation", "kind", "count"), parameters([*FAULTS]))
def test_a_fault(page_place: Place, name: str, confirmation: str, kind: str, count: int) -> None:
    check_fault(page_place, name, confirmation, kind, count)


@pytest.mark.parametrize(
    ("name", "confirmation", "kind", "count"),
    [
        ("refused with 503", "none", "text", MANY),
        ("dropped", "heartbeat", "binary", MANY),
        ("closed with 1012", "acks", "text", MANY),
        ("deaf", "heartbeat-drop", "binary", MANY),
        ("dropped", "acks-drop", "text", 1),
    ],
)
def test_a_fault_in_a_worker(
    worker_place: Place, name: str, confirmation: str, kind: str, count: int
) -> None:
    check_fault(worker_place, name, confirmation, kind, count)


@pytest.mark.parametrize(
    ("confirmation", "kind"),
    [("acks", "text"), ("none", "binary")],
)
def test_very_many_messages(page_place: Place, confirmation: str, kind: str) -> None:
    """With the defaults; aborted twice, with more to send than may be in doubt."""
    id = new_id()
    result = page_place.runtime.call(
        send_through,
        timeout=TIMEOUT,
        base=page_place.server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": 30_000}, {"fault": "drop", "after": 10_000}],
        confirmation=confirmation,
        kind=kind,
        steps=[("put until lost",), ("put to", VERY_MANY)],
        is_small=True,
    )
    journal, _ = check(page_place, id, result, confirmation, kind, is_small=True)
    assert journal[0]["count"] == 30_000, "there was no fault"
    assert result["accepted"] >= VERY_MANY


@pytest.mark.parametrize(
    ("confirmation", "kind", "count", "after"),
    [
        # This takes half a minute, and far longer in Firefox.
        pytest.param("heartbeat", "text", VERY_MANY, 300, marks=ONLY_CHROMIUM),
        pytest.param("heartbeat", "text", NOT_FEW // 2, 300, marks=ONLY_FIREFOX),
        pytest.param("acks", "binary", NOT_FEW, 300, marks=ONLY_CHROMIUM),
        pytest.param("acks", "binary", NOT_FEW // 2, 300, marks=ONLY_FIREFOX),
        ("heartbeat", "binary", MANY, 200),
        ("acks", "text", MANY, 200),
        ("acks-drop", "binary", MANY, 200),
        ("heartbeat-drop", "text", MANY, 200),
        ("none", "text", MANY, 200),
    ],
)
def test_no_connection_lasts(
    page_place: Place, confirmation: str, kind: str, count: int, after: int
) -> None:
    """Each one is aborted after some messages, for ever; all arrives even so, with the defaults."""
    id = new_id()
    is_small = count > MANY
    result = page_place.runtime.call(
        send_through,
        timeout=TIMEOUT,
        base=page_place.server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": after}],
        is_endless=True,
        confirmation=confirmation,
        kind=kind,
        steps=[("put", count), ("until lost", 1)],
        is_small=is_small,
    )
    journal, arrived = check(page_place, id, result, confirmation, kind, is_small=is_small)
    assert max(connection["count"] for connection in journal) == after
    if confirmation in ("heartbeat", "acks"):
        assert len(journal) >= len(arrived) // after
        # What is sent in vain does not grow without bounds.
        assert result["sent"] < 10 * count


@pytest.mark.parametrize(
    ("confirmation", "kind", "count"),
    [
        ("heartbeat", "text", VERY_MANY),
        ("acks", "binary", NOT_FEW),
        ("heartbeat", "binary", 1),
        ("acks-drop", "text", MANY),
        ("heartbeat-drop", "binary", MANY),
        ("none", "text", MANY),
    ],
)
def test_the_server_is_killed(page_place: Place, confirmation: str, kind: str, count: int) -> None:
    """And comes back, on the same port."""
    id, is_small = new_id(), count > MANY
    rest = [] if count == 1 else [("put until lost",), ("put to", count)]
    with ServerProcess(allow_origins=[page_place.server.url]) as process:
        wait = page_place.runtime.start(
            send_through,
            timeout=TIMEOUT,
            base=process.ws_url(""),
            id=id,
            plan=[],
            confirmation=confirmation,
            kind=kind,
            steps=[("put", 1), *rest, ("until lost", 1)],
            is_small=is_small,
            # Firefox waits for long to connect where that has failed several times.
            backoff=(2, 2, 0),
        )
        first = process.journal(id, messages=max(1, count // 3), timeout=60)
        process.restart()
        result = wait()
        attempts = result["attempts"]
        assert attempts >= 2
        # The single message may have been confirmed before.
        is_empty = count == 1 and result["reconnects"] == 0
        second = [] if is_empty else process.journal(id, closed=1, timeout=60)
    numbers = [
        arrivals(journal, result["accepted"], kind=kind, is_small=is_small)
        for journal in (first, second)
    ]
    before, after = numbers
    tell(page_place, result, [*first, *second], len({*before} & {*after}))
    expect_warning(page_place, result)
    assert not (wrong := problems_of_tail(result, before, after, confirmation)), "\n".join(wrong)


@pytest.mark.parametrize(
    ("confirmation", "kind", "count"),
    [
        ("heartbeat", "text", MANY),
        ("acks", "binary", MANY),
        ("heartbeat", "binary", 1),
        ("acks-drop", "text", MANY),
        ("heartbeat-drop", "binary", 1),
        ("none", "text", MANY),
    ],
)
def test_the_page_is_offline(page_place: Place, confirmation: str, kind: str, count: int) -> None:
    """It waits for long then, and no longer than until it is online again."""
    id, before = new_id(), count // 2
    page = page_place.runtime.page
    wait = page_place.runtime.start(
        send_through,
        timeout=TIMEOUT,
        base=page_place.server.ws_url(""),
        id=id,
        # Firefox does not hold up a connection that is there; so this one ends, if it is reached.
        plan=[{"fault": "drop", "after": before + 1}],
        confirmation=confirmation,
        kind=kind,
        steps=[
            ("put", before),
            ("tell", "offline"),
            ("until", "offline"),
            ("put", count - before),
            ("until waiting", FOREVER),
            ("tell", "online"),
            ("until", "online"),
        ],
        # Chromium does: nothing arrives any more.
        pulse=(0.2, 1),
        backoff=(0.01, FOREVER, 1.0),
    )
    try:
        page.wait_for_selector("body[data-phase=offline]", state="attached", timeout=60_000)
        page.context.set_offline(True)
        page.wait_for_selector("body[data-phase=online]", state="attached", timeout=60_000)
    finally:
        page.context.set_offline(False)
    result = wait()
    check(page_place, id, result, confirmation, kind)
    assert result["longest_delay"] == FOREVER


@pytest.mark.parametrize(("confirmation", "kind"), [("heartbeat", "text"), ("acks", "binary")])
def test_a_worker_comes_online(worker_place: Place, confirmation: str, kind: str) -> None:
    """It would wait for long, but is told."""
    id = new_id()
    result = worker_place.runtime.call(
        send_through,
        timeout=TIMEOUT,
        base=worker_place.server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": 300}],
        confirmation=confirmation,
        kind=kind,
        steps=[("put", MANY), ("until waiting", FOREVER), ("dispatch", "online")],
        backoff=(FOREVER, FOREVER, 0),
    )
    check(worker_place, id, result, confirmation, kind)
    assert result["reconnects"] == 1
