"""``SendQueue`` and ``QueuedWebSocket``, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from readystate import (
    Backoff,
    DeliveryState,
    Heartbeat,
    MessageDropped,
    QueuedWebSocket,
    QueueFull,
    SendQueue,
    State,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import event, journal, new_id, opened, raises, url
from tests.faults import arrivals, exchange, problems, send_through

from .case import Cases, Report

CASES = Cases()

KINDS = ("text", "binary")
CONFIRMATIONS = ("heartbeat", "acks", "acks-drop", "heartbeat-drop", "none")


@CASES.add("SendQueue: what is sent while CONNECTING arrives, in order")
async def queued_early(report: Report) -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue = SendQueue(ws)
    deliveries = [queue.send(f"{number}") for number in range(300)]
    assert deliveries[0].state is DeliveryState.QUEUED
    await event(ws, "open")
    deliveries += [queue.send(b"%d" % number) for number in range(300, 310)]
    await queue.drain()
    assert {delivery.reason for delivery in deliveries} == {"left the page"}
    (connection,) = await journal(id, messages=310)
    assert [record["size"] for record in connection["messages"]] == [
        len(str(number)) for number in range(310)
    ]


@CASES.add("SendQueue: goes on over the next socket")
async def attached(report: Report) -> None:
    id = new_id()
    first = WebSocket(f"{report.failing}/ws/drop?when=handshake")
    queue = SendQueue(first)
    deliveries = [queue.send(str(number)) for number in range(10)]
    await event(first, "close")
    assert queue.pending == 10
    queue.attach(WebSocket(url("/ws/echo", id=id)))
    await asyncio.gather(*deliveries)
    (connection,) = await journal(id, messages=10)
    assert [record["data"] for record in connection["messages"]] == list("0123456789")


@CASES.add("SendQueue: a bound, and what is dropped")
async def bounded(report: Report) -> None:
    queue = SendQueue(max_pending=2)
    deliveries = [queue.send("a"), queue.send("b")]
    with raises(QueueFull):
        queue.send("c")
    assert queue.clear() == 2
    for delivery in deliveries:
        with raises(MessageDropped):
            await delivery


@CASES.add("SendQueue: what was sent before close() is confirmed")
async def closed_after(report: Report) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(ws)
    deliveries = [queue.send(bytes(2**12)) for _ in range(50)]
    over = event(ws, "close")
    ws.close()
    await over
    assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}
    (connection,) = await journal(id, closed=1)
    assert connection["count"] == 50


@CASES.add("QueuedWebSocket: there and back, and its states")
async def round_trip(report: Report) -> None:
    states: list[State] = []
    async with QueuedWebSocket(
        url("/ws/echo"), on_state=lambda change: states.append(change.state)
    ) as ws:
        delivery = ws.send("early")
        assert await ws.recv() == "early"
        await delivery
        ws.send(b"bytes")
        assert await ws.recv() == b"bytes"
    assert states == [State.CONNECTING, State.OPEN, State.CLOSED]
    assert ws.stats.accepted == ws.stats.confirmed == 2


# What happens to connections, one after the other, and what is done meanwhile.
FAULTS: dict[str, dict[str, Any]] = {
    "goes on after refusals": {
        "plan": [{"fault": "refuse"}, {"fault": "abort"}],
        "steps": [("put", 200)],
    },
    "the server closes in the middle": {
        "plan": [{"fault": "close", "code": code, "after": 50} for code in (1001, 1011, 4000)],
    },
    "a server that goes deaf is found out": {
        "plan": [{"fault": "deaf", "after": 50}],
        "pulse": (0.2, 1),
    },
}
for confirmation in CONFIRMATIONS:
    # A later fault might come when nothing is waited for any more.
    times = 3 if confirmation in ("heartbeat", "acks") else 1
    for kind in KINDS:
        FAULTS[f"TCP is reset, {kind}, confirmed by {confirmation}"] = {
            "plan": [{"fault": "drop", "after": after} for after in (100, 50, 1)[:times]],
            "confirmation": confirmation,
            "kind": kind,
            "steps": [("put", 300), ("until lost", times)],
        }


@CASES.each("QueuedWebSocket: {}", FAULTS)
async def account(report: Report, how: dict[str, Any]) -> None:
    """Each message is where the queue says it is."""
    id = new_id()
    told: dict[str, Any] = {"confirmation": "heartbeat", "kind": "text", "steps": [("put", 300)]}
    told.update(how)
    result = await send_through(base=url(""), id=id, is_small=True, **told)
    connections = await _settled(id)
    result["is_clean"] = (connections[-1]["close"] or {"clean": False})["clean"]
    count = result["accepted"]
    arrived = arrivals(connections, count, kind=told["kind"], is_small=True)
    lost, twice = count - len(set(arrived)), len(arrived) - len(set(arrived))
    report.saw(f"{count} sent, {lost} lost, {result['resent']} again, {twice} arrived twice")
    off = problems(result, arrived, told["confirmation"])
    assert not off, off
    if any(fault["fault"] == "refuse" for fault in told["plan"]):
        assert result["errors"] == ["ConnectionFailed"] * 2


@CASES.each("a session over TCP aborts: each message once, both ways ({})", KINDS)
async def in_session(report: Report, kind: str) -> None:
    id = new_id()
    result = await exchange(
        base=url(""),
        id=id,
        plan=[{"fault": "drop", "after": after} for after in (100, 50, 3)],
        kind=kind,
        count=300,
        is_small=True,
    )
    (application,) = await journal(f"{id}/session", closed=1)
    arrived = arrivals([application], 300, kind=kind, is_small=True)
    report.saw(f"300 each way, {result['reconnects']} reconnections, {result['resent']} again")
    assert arrived == list(range(300))
    assert (result["wrong"], result["late"], result["confirmed"]) == ([], 0, 300)


async def _settled(id: str) -> list[dict[str, Any]]:
    """The journal, once nothing can be added to it."""
    ended = 0
    while True:
        connections = await journal(id, closed=ended)
        lasting = [each for each in connections if each["close"] is None]
        if all("=deaf" in each["query"] for each in lasting):
            return connections
        ended = len(connections) - len(lasting) + 1


@CASES.add("QueuedWebSocket: close() accounts for every message")
async def accounted(report: Report) -> None:
    ws = QueuedWebSocket(f"{report.failing}/ws/refuse")
    deliveries = [ws.send(str(number)) for number in range(5)]
    ws.start()
    await ws.close(timeout=0.05)
    assert {delivery.reason for delivery in deliveries} == {"closed"}
    assert ws.stats.accepted == 5


@CASES.add("SendQueue: what has waited for too long is dropped")
async def too_old(report: Report) -> None:
    ws = WebSocket(url("/ws/echo", delay=0.3))
    queue = SendQueue(ws)
    old, kept = queue.send("old", ttl=0.01), queue.send("kept")
    await kept
    assert (old.state, old.reason) == (DeliveryState.DROPPED, "expired")


@CASES.add("QueuedWebSocket: on_open() sends first, on each connection")
async def greeted(report: Report) -> None:
    id = new_id()

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("hello")

    async with QueuedWebSocket(url("/ws/sink", id=id, ack=0), on_open=greet) as ws:
        await ws.send("waited")
    (connection,) = await journal(id, closed=1)
    assert [message["data"] for message in connection["messages"]] == ["hello", "waited"]


@CASES.add("QueuedWebSocket: a URL for each attempt, and its states")
async def url_for_each(report: Report) -> None:
    id = new_id()
    asked = 0

    async def address() -> str:
        nonlocal asked
        asked += 1
        return f"{report.failing}/ws/refuse" if asked == 1 else url("/ws/echo", id=id)

    states: list[State] = []
    ws = QueuedWebSocket(
        address, backoff=Backoff(0.01), on_state=lambda change: states.append(change.state)
    )
    async with ws:
        ws.send("there and back")
        assert await ws.recv() == "there and back"
    assert asked == ws.stats.attempts == 2
    known = [state for state in states if state is not State.CONNECTING]
    assert known == [State.WAITING, State.OPEN, State.CLOSED]


@CASES.add("QueuedWebSocket: it gives up, and says why")
async def given_up(report: Report) -> None:
    ws = QueuedWebSocket(url("/nothing"), backoff=Backoff(0.01), max_attempts=2)
    delivery = ws.send("never sent")
    ws.start()
    with raises(MessageDropped) as caught:
        await delivery
    report.saw(f"dropped: {caught.value.reason}")
    assert (ws.state, ws.stats.attempts) == (State.CLOSED, 2)


@CASES.add("QueuedWebSocket: what was received and not asked for is bounded")
async def received_bounded(report: Report) -> None:
    async with QueuedWebSocket(url("/ws/echo"), max_queue=5) as ws:
        for number in range(20):
            ws.send(str(number))
        await ws.drain()
        while ws.dropped < 15:
            await asyncio.sleep(0.01)
        for number in range(15, 20):
            assert await ws.recv() == str(number)


@CASES.add("QueuedWebSocket: on_open() receives what arrives meanwhile")
async def logged_in(report: Report) -> None:
    answers: list[object] = []

    async def log_in(ws: QueuedWebSocket) -> None:
        ws.send("login")
        answers.append(await ws.recv())

    async with QueuedWebSocket(url("/ws/echo"), on_open=log_in) as ws:
        ws.send("waited")
        assert await ws.recv() == "waited"
    assert answers == ["login"]


@CASES.add("options: a wrong type, a wrong value, and one that does not exist")
async def wrong_options(report: Report) -> None:
    queue: Any = SendQueue
    queued: Any = partial(QueuedWebSocket, url("/ws/echo"))
    connecting: Any = partial(connect, url("/ws/echo"))
    functions = dict.fromkeys(("heartbeat", "on_state", "on_open", "should_reconnect"), 5)
    wrong: list[tuple[type[Exception], tuple[Any, ...], dict[str, Any]]] = [
        (TypeError, (queue, queued), {"max_pending": "5", "ttl": "5"}),
        (ValueError, (queue, queued), {"max_pending_bytes": -1, "on_full": "later"}),
        (ValueError, (queue, queued), {"in_doubt": "hope"}),
        (TypeError, (queued, connecting), {"backoff": 5, "close_timeout": "5"}),
        (ValueError, (queued, connecting), {"max_attempts": 0, "on_overflow": "wait"}),
        (TypeError, (queued,), functions),
    ]
    for kind, makes, options in wrong:
        for make in makes:
            for name, value in options.items():
                with raises(kind, match=name):
                    make(**{name: value})
    for make in (queue, queued, connecting):
        with raises(TypeError):
            make(unknown=5)
    for timeout, interval in ((0, 5), (5, 0)):
        with raises(ValueError):
            Heartbeat("ping", timeout=timeout, interval=interval)
    with raises(TypeError):
        Heartbeat("ping", timeout=5)
    with raises(ValueError):
        Backoff(5, 1)
