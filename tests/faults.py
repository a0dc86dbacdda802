"""Messages sent over connections that fail, and whether the server's journal accounts for them.

:func:`send_through`, :func:`exchange` and their helpers run in a page too, the others do not.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from readystate import (
    Backoff,
    Delivery,
    DeliveryState,
    Heartbeat,
    QueuedWebSocket,
    State,
    StateChange,
)

if TYPE_CHECKING:
    from readystate_server.lab import Server

LARGEST = 64 * 1024
SMALL = 64
NUMBER = 4
"""Bytes with which a binary message tells its number."""
FILLERS = ("readystate", "grün ", "3 € ", "😀 ")


def message_of(index: int, *, seed: int, kind: str, is_small: bool) -> str | bytes:
    """The message ``index``: it begins with that number, and no two are the same."""
    mixed = (index + 1) * (2 * seed + 1) * 2_654_435_761 % 2**32
    # Some are nearly that large, most are far smaller.
    size = SMALL if is_small else 32 + (LARGEST - 32) * (mixed % 1000 + 1) ** 6 // 1000**6
    start = f"{index} {mixed} "
    if kind == "binary":
        start_bytes = index.to_bytes(NUMBER, "big") + start.encode()
        return start_bytes + bytes([mixed % 256]) * (size - len(start_bytes))
    filler = FILLERS[0 if is_small else mixed // 16 % len(FILLERS)]
    return start + filler * ((size - len(start)) // len(filler.encode()))


def number_of(message: Any) -> int:
    """What an acknowledgement calls a message."""
    if isinstance(message, str):
        return int(message.partition(" ")[0])
    return int.from_bytes(message[:NUMBER], "big")


def acknowledged(message: str | bytes) -> list[int] | None:
    """The numbers that the server acknowledges."""
    if isinstance(message, bytes) or not message.startswith("{"):
        return None
    numbers: list[int] = json.loads(message)["ack"]
    return numbers


def is_pong(message: str | bytes) -> bool:
    return message == "pong"


class Losses:
    """What was in doubt, each time that a connection was lost."""

    def __init__(self, deliveries: list[Delivery]) -> None:
        self._deliveries = deliveries
        self._first = 0
        self._end = 0
        self._was_open = False
        self._since = time.monotonic()
        self._change = asyncio.Event()
        # The first message that was not over yet, the end of those that were sent, and when.
        self.ranges: list[tuple[int, int, float]] = []
        self.errors: list[str] = []
        self.longest_delay = 0.0

    def __call__(self, change: StateChange) -> None:
        was_open, self._was_open = self._was_open, change.state is State.OPEN
        if change.state is not State.WAITING:
            return
        self.errors.append(type(change.error).__name__)
        self.longest_delay = max(self.longest_delay, change.delay or 0)
        if was_open:
            self._note()
        self._change.set()

    def _note(self) -> None:
        deliveries, count = self._deliveries, len(self._deliveries)
        while self._first < count and deliveries[self._first].reason is not None:
            self._first += 1
        self._end = max(self._end, self._first)
        while self._end < count and deliveries[self._end].state is not DeliveryState.QUEUED:
            self._end += 1
        self.ranges.append((self._first, self._end, time.monotonic() - self._since))

    async def until(self, count: int, delay: float = 0) -> None:
        """Waits until so many connections were lost, and a wait was to take so many seconds."""
        while len(self.ranges) < count or self.longest_delay < delay:
            self._change.clear()
            await self._change.wait()


def urls(
    base: str, plan: list[dict[str, Any]], is_endless: bool, **query: Any
) -> Callable[[], str]:
    """A function that gives the URL of the next connection, with what is planned for it.

    The plan may name another "base" for a connection.
    """
    planned = itertools.cycle(plan) if is_endless else itertools.chain(plan, itertools.repeat({}))

    def url() -> str:
        this = dict(query)  # MicroPython has no {**query}
        this.update(next(planned))
        return f"{this.pop('base', base)}?{urlencode(this)}"

    return url


def told(ws: QueuedWebSocket, since: float) -> dict[str, Any]:
    """What a queue says of itself."""
    stats, left = ws.stats, ws.pending + ws.unconfirmed
    names = ("accepted", "confirmed", "sent", "resent", "attempts", "reconnects")
    said: dict[str, Any] = {name: getattr(stats, name) for name in names}
    said.update({"dropped": dict(stats.dropped), "left": left, "seconds": time.monotonic() - since})
    return said


def page_event(type: str) -> asyncio.Future[None]:
    """The next event of this type that the page, or the worker, has."""
    import js
    from pyodide.ffi import create_once_callable, to_js

    happened = asyncio.get_running_loop().create_future()
    js.addEventListener(
        type,
        create_once_callable(lambda _: happened.set_result(None)),
        to_js({"once": True}, dict_converter=js.Object.fromEntries),
    )
    return happened


async def send_through(
    *,
    base: str,
    id: str,
    plan: list[dict[str, Any]],
    is_endless: bool = False,
    confirmation: str,
    kind: str,
    steps: list[tuple[Any, ...]],
    is_small: bool = False,
    seed: int = 1,
    pulse: tuple[float, float] | None = None,
    backoff: tuple[float, float, float] = (0.01, 0.05, 1.0),
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Sends messages, and tells what the queue says became of them.

    Args:
        base: The server's address, ``ws://host:port``.
        id: Of the journal.
        plan: The queries of ``/ws/peer``, one a connection; then there is no fault any more.
        is_endless: The plan begins anew instead.
        confirmation: "heartbeat", "acks", either with "-drop" at its end, or "none".
        kind: "text" or "binary".
        steps: What to do::

            ("put", n)                    send so many messages
            ("put until lost",)           send until a connection is lost
            ("put to", n)                 send until so many messages were sent in all
            ("put for", seconds, rate)    send so many messages a second, 1 to 4 in one go
            ("until lost", n)             wait until so many connections were lost
            ("until waiting", seconds)    wait until it waits for so long
            ("until", type)               wait for this event of the page, since the beginning
            ("dispatch", type)            such an event, made by hand
            ("tell", word)                have the page's body say it, in data-phase

        is_small: Whether messages have 64 bytes each, and not up to 64 KiB.
        seed: Of the messages.
        pulse: The interval and the timeout of a heartbeat, whatever confirms.
        backoff: Its initial and longest wait and its jitter.
        options: Further ones of the queue.
    """
    query: dict[str, Any] = {"id": id, "ping": "ping"}
    more = dict(options or {})
    if confirmation.startswith("acks"):
        from readystate import Acks  # which MicroPython lacks

        more["acks"] = Acks(number_of, acknowledged, pass_on=False)
        query["ack"] = 1
    has_replies = confirmation.startswith("heartbeat")
    heartbeat = None
    if has_replies or pulse is not None:
        interval, timeout = pulse or (5, 20)
        heartbeat = Heartbeat(
            "ping", interval=interval, timeout=timeout, is_reply=is_pong if has_replies else None
        )
    deliveries: list[Delivery] = []
    losses = Losses(deliveries)
    events = {step[1]: page_event(step[1]) for step in steps if step[0] == "until"}
    initial, longest, jitter = backoff
    since = time.monotonic()
    ws = QueuedWebSocket(
        urls(f"{base}/ws/peer", plan, is_endless, **query),
        backoff=Backoff(initial, longest, jitter=jitter),
        heartbeat=heartbeat,
        in_doubt="drop" if confirmation.endswith("-drop") else "resend",
        on_full="wait",
        on_state=losses,
        **more,
    )

    async def put() -> None:
        index = len(deliveries)
        message = message_of(index, seed=seed, kind=kind, is_small=is_small)
        deliveries.append(await ws.put(message))

    try:
        ws.start()
        for what, *values in steps:
            if what == "put":
                for _ in range(values[0]):
                    await put()
            elif what == "put to":
                while len(deliveries) < values[0]:
                    await put()
            elif what == "put until lost":
                while not losses.ranges:
                    await put()
            elif what == "put for":
                end = time.monotonic() + values[0]
                while time.monotonic() < end:
                    burst = 1 + len(deliveries) % 4
                    for _ in range(burst):
                        await put()
                    await asyncio.sleep(burst / values[1])
            elif what == "until lost":
                await losses.until(values[0])
            elif what == "until waiting":
                await losses.until(0, values[0])
            elif what == "until":
                await events[values[0]]
            elif what == "dispatch":
                import js

                js.dispatchEvent(js.Event.new(values[0]))
            elif what == "tell":
                import js

                js.document.body.dataset.phase = values[0]
        await ws.drain()
        await ws.close()
    finally:
        ws.abort()
    outcomes = itertools.groupby(f"{delivery.state} {delivery.reason}" for delivery in deliveries)
    result = told(ws, since)
    result["outcomes"] = [(outcome, sum(1 for _ in those)) for outcome, those in outcomes]
    result["ranges"] = losses.ranges
    result["errors"] = losses.errors
    result["longest_delay"] = losses.longest_delay
    return result


async def exchange(
    *,
    base: str,
    id: str,
    plan: list[dict[str, Any]],
    is_endless: bool = False,
    kind: str,
    count: int,
    is_small: bool = False,
    pulse: tuple[float, float] = (5, 20),
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Sends messages to ``/ws/session``, receives each of them again, and tells how that went.

    Args:
        count: How many messages.
        pulse: How often to see whether the connection lives, and how long to wait for that.

    The others are as those of :func:`send_through`.
    """
    from readystate import Session  # which MicroPython lacks

    def message(index: int) -> str | bytes:
        return message_of(index, seed=1, kind=kind, is_small=is_small)

    interval, timeout = pulse
    since = time.monotonic()
    deliveries: list[Delivery] = []
    wrong: list[int] = []
    ws = QueuedWebSocket(
        urls(f"{base}/ws/session", plan, is_endless, id=id, echo=1),
        session=Session(interval=interval, timeout=timeout),
        backoff=Backoff(0.01, 0.05),
        on_full="wait",
        **(options or {}),
    )

    async def send() -> None:
        for index in range(count):
            deliveries.append(await ws.put(message(index)))

    async with ws:
        sending = asyncio.create_task(send())
        for index in range(count):
            if await ws.recv() != message(index):
                wrong.append(index)
        await sending
        await ws.drain()
        confirmed = sum(
            (delivery.state, delivery.reason) == (DeliveryState.CONFIRMED, "session")
            for delivery in deliveries
        )
    late = 0
    try:
        while True:
            await ws.recv()
            late += 1
    except Exception as error:
        end = repr(error)
    result = told(ws, since)
    result.update({"confirmed": confirmed, "wrong": wrong, "late": late, "end": end})
    return result


def ranges_of(numbers: Iterable[int]) -> str:
    """Numbers, shortly: "3, 7-9"."""
    texts = []
    for _, group in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        texts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ", ".join(texts[:10]) + (", …" if len(texts) > 10 else "") if texts else "none"


def arrivals(
    journal: list[dict[str, Any]], count: int, *, seed: int = 1, kind: str, is_small: bool
) -> list[int]:
    """The numbers of the messages in a journal, as they came, over all its connections.

    Raises:
        AssertionError: There are others, or not all were recorded.
    """
    records = [record for connection in journal for record in connection["messages"]]
    records.sort(key=lambda record: int(record["order"]))
    assert len(records) == sum(connection["count"] for connection in journal), "not all recorded"
    assert [record["order"] for record in records] == list(range(len(records))), "forgotten by now"
    index_of = {}
    for index in range(count):
        message = message_of(index, seed=seed, kind=kind, is_small=is_small)
        data = message.encode() if isinstance(message, str) else message
        index_of[hashlib.sha256(data).digest().hex()] = index
    assert len(index_of) == count, "two messages are the same"
    strangers = sum(record["sha256"] not in index_of for record in records)
    assert not strangers, f"{strangers} messages arrived that nobody sent"
    return [index_of[record["sha256"]] for record in records]


def outcomes_of(result: dict[str, Any]) -> tuple[list[str], set[int], set[int]]:
    """What became of each message, which of them are confirmed, and which dropped in doubt."""
    outcomes = [outcome for outcome, times in result["outcomes"] for _ in range(times)]
    confirmed = {i for i, outcome in enumerate(outcomes) if outcome.startswith("CONFIRMED")}
    in_doubt = {i for i, outcome in enumerate(outcomes) if outcome == "DROPPED in doubt"}
    return outcomes, confirmed, in_doubt


def problems(result: dict[str, Any], arrived: list[int], confirmation: str) -> list[str]:
    """What is wrong with what arrived, given what the queue says.

    Args:
        result: What :func:`send_through` has returned, and whether the last connection "is_clean".
        arrived: The numbers of the messages as they came.
        confirmation: As :func:`send_through` was told.
    """
    return list(_problems(result, arrived, confirmation))


def _problems(result: dict[str, Any], arrived: list[int], confirmation: str) -> Iterator[str]:
    outcomes, confirmed, in_doubt = outcomes_of(result)
    count = len(outcomes)
    times: dict[int, int] = {}
    firsts = []
    for index in arrived:
        if index not in times:
            firsts.append(index)
        times[index] = times.get(index, 0) + 1
    missing = {index for index in range(count) if index not in times}
    twice = {index for index, number in times.items() if number > 1}
    yield from accounting(result)
    if firsts != sorted(firsts):
        place = next(i for i, (a, b) in enumerate(itertools.pairwise(firsts)) if a > b)
        yield f"not in order: {firsts[max(0, place - 2) : place + 4]} at first arrival {place}"

    if confirmation == "none":
        # Only what had left the page when a connection was lost may be missing.
        # The last one may have been lost while it was closed, with all that had left by then.
        safe = result["ranges"][-1][0] if result["ranges"] else 0
        if not result["is_clean"]:
            safe = count
        if lost := {index for index in missing if index >= safe}:
            yield f"lost, though it had not left the page over a lost connection: {ranges_of(lost)}"
        if unsure := {index for index in missing if outcomes[index] != "CONFIRMED left the page"}:
            yield f"lost, though more than that it left the page is claimed: {ranges_of(unsure)}"
    elif lost := missing & confirmed:
        yield f"confirmed, and not arrived: {ranges_of(lost)}"
    elif lost := missing - in_doubt:
        yield f"lost: {ranges_of(lost)}"

    if confirmation.endswith("-drop"):
        if twice:
            yield f"arrived twice, though nothing is sent again: {ranges_of(twice)}"
        if result["resent"]:
            yield f"sent again: {result['resent']}"
        return
    if in_doubt:
        yield f"dropped: {ranges_of(in_doubt)}"
    duplicates = len(arrived) - len(times)
    if duplicates > result["resent"]:
        yield f"{duplicates} duplicates, but only {result['resent']} were sent again"
    allowed = [0] * (count + 1)
    for first, end, _ in result["ranges"]:
        allowed[first] += 1
        allowed[end] -= 1
    allowed = list(itertools.accumulate(allowed))
    if unexplained := {index for index in twice if times[index] - 1 > allowed[index]}:
        yield f"arrived more often than it was in doubt: {ranges_of(unexplained)}"


def accounting(result: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the numbers."""
    outcomes, confirmed, in_doubt = outcomes_of(result)
    count = len(outcomes)
    if others := set(range(count)) - confirmed - in_doubt:
        yield f"neither confirmed nor dropped in doubt: {ranges_of(others)}"
    dropped = sum(result["dropped"].values())
    stats = {name: result[name] for name in ("accepted", "confirmed", "left")}
    right = {"accepted": count, "confirmed": len(confirmed), "left": 0}
    if stats != right or dropped != count - len(confirmed):
        yield f"stats say {stats} and {dropped} dropped; it is {right}"
    if result["dropped"].get("in doubt", 0) != len(in_doubt):
        yield f"stats say {result['dropped']}; {len(in_doubt)} deliveries are"
    if result["sent"] != result["resent"] + count:
        yield f"sent {result['sent']} times, {result['resent']} of them again, of {count}"


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
    server: Server,
    id: str,
    result: dict[str, Any],
    confirmation: str,
    kind: str,
    *,
    is_small: bool = False,
    seed: int = 1,
) -> tuple[list[dict[str, Any]], list[int]]:
    """Compares the journal with what the queue says; returns it, and the numbers of what came."""
    journal = settled(server, id)
    arrived = arrivals(journal, result["accepted"], seed=seed, kind=kind, is_small=is_small)
    result["is_clean"] = (journal[-1]["close"] or {"clean": False})["clean"]
    assert not (wrong := problems(result, arrived, confirmation)), "\n".join(wrong)
    return journal, arrived
