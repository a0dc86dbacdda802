"""The benchmarks: what is done, by whom, how it is measured, and what is to be reached."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from readystate_server.lab import Server

from . import measure
from .measure import Metric, Sample
from .pages import Peer, PeerPage

JAVASCRIPT = Peer("javascript", "JavaScript", "javascript")
READING = Peer("javascript", "JavaScript that reads", "javascript", {"does": "read"})
"""A handler that looks at each character or byte; the other only at the length."""
COPYING = Peer("javascript", "JavaScript that copies", "javascript", {"does": "copy"})
"""A handler that writes the data into a memory as UTF-8: the least that brings it to Python."""
TASK = Peer("task", "a task that awaits a Future", "pyodide")
"""The least by which a task receives: its handler copies the message, and wakes it."""
PYSCRIPT = Peer("pyscript", "PyScript WebSocket", "pyscript")
DOM = Peer("dom", "WebSocket", "pyodide")
CONNECT = Peer("connection", "connect()", "pyodide")
BATCHES = Peer("connection", "connect(), batches()", "pyodide", {"batches": True})
ACCOUNTS = Peer(
    "connection", "connect(), a Delivery each", "pyodide", {"accounts": True}, page="accounts"
)
"""The least by which a queue sends: its messages are told apart, and nothing else."""
COMPAT = Peer("compat", "websockets over readystate.compat", "pyodide")
BLOCKING = Peer("blocking", "readystate.sync", "pyodide")
NIQUESTS = Peer("blocking_niquests", "niquests", "pyodide")
SOURCES = Peer("package", "sources", "pyodide")
COMPILED = Peer("package", "compiled", "pyodide", wheel="readystate-cp314.whl")
PEERS = (JAVASCRIPT, PYSCRIPT, DOM, CONNECT)
BLOCKING_PEERS = (JAVASCRIPT, CONNECT, BLOCKING, NIQUESTS)

PARTYSOCKET = Peer("partysocket", "partysocket", "javascript")
SEND_QUEUE = Peer("send_queue", "SendQueue", "pyodide")
QUEUED = Peer("queued", "QueuedWebSocket", "pyodide")
RECEIVERS = (JAVASCRIPT, READING, COPYING, PYSCRIPT, DOM, CONNECT, BATCHES, QUEUED)
SENDERS = (JAVASCRIPT, PYSCRIPT, DOM, CONNECT, SEND_QUEUE, QUEUED, ACCOUNTS)
HEARTBEAT, ACKS, DROP = (
    Peer("queued", label, "pyodide", {"how": how})
    for how, label in (
        ("heartbeat", "with a heartbeat"),
        ("acks", "with acks"),
        ("drop", 'with in_doubt="drop"'),
    )
)
WRITE_LIMIT = 2**20
"""From how many buffered bytes on every sender waits."""
DELAY = 1.0
"""Seconds that a connection takes for which messages are queued meanwhile."""
DROP_AFTER = 200
"""After how many messages a connection is lost."""
RATE = 50
"""How many messages come in a millisecond while connections are lost."""
PAUSE = 10
"""Milliseconds until the next connection is made."""
WINDOW = DROP_AFTER // 2
"""How many messages may be unconfirmed, where the server confirms: no more than one connection
lasts for, as else no connection would ever confirm any."""


@dataclass(frozen=True)
class Target:
    """What readystate is to reach: its ``metric`` against a limit.

    Attributes:
        how: "times" and "plus": the limit is a factor of, or comes on top of, what the peer
            ``than`` takes; "value": the limit stands for itself.
        by: Who is to reach it; else each of the case's subjects.
        why: The part of docs/background/speed.md that says why it is missed.
        least: A peer that does only what cannot be left out: if it misses the limit, too, that is
            out of reach.
    """

    metric: Metric
    limit: float
    than: Peer | None = None
    how: Literal["times", "plus", "value"] = "value"
    by: Peer | None = None
    why: str = ""
    least: Peer | None = None

    def __str__(self) -> str:
        unit = self.metric.unit
        if self.than is None:
            return f"{self.metric.label} at most {self.limit:g} {unit}".rstrip()
        if self.how == "plus":
            return f"{self.metric.label} at most {self.than.label} + {self.limit:g} {unit}"
        factor = f"{self.limit:.3g}" if self.limit >= 1 else f"1/{1 / self.limit:g}"
        return f"{self.metric.label} at most {factor} x {self.than.label}"


def times(
    metric: Metric,
    limit: float,
    than: Peer,
    by: Peer | None = None,
    why: str = "",
    least: Peer | None = None,
) -> Target:
    """At most ``limit`` times what ``than`` takes."""
    return Target(metric, limit, than, "times", by, why, least)


@dataclass(frozen=True)
class Case:
    """One piece of work that peers are compared by.

    Attributes:
        name: By which the command line knows it.
        title: What is done; ``{count}`` stands for how often.
        work: The function of the peers' modules that does it.
        take: Takes one sample.
        count: How many messages a sample is of; ``quick`` in a quick run.
        message: Kind and size of the messages; or what else the work is told.
        metrics: What a sample is shown by.
        peers: Who does it; the first one is what the others are compared with.
        targets: What each of ``subjects`` is to reach.
        repeat: How many samples are enough; else as many as the command line says.
        fresh: Whether each sample needs a page of its own.
    """

    name: str
    title: str
    take: Callable[[Case, PeerPage, Server, int], Sample]
    count: int
    quick: int
    metrics: tuple[Metric, ...]
    targets: tuple[Target, ...]
    message: Mapping[str, Any] = field(default_factory=dict)
    peers: tuple[Peer, ...] = PEERS
    subjects: tuple[Peer, ...] = (CONNECT,)
    repeat: int | None = None
    fresh: bool = False

    @property
    def aims(self) -> list[tuple[Target, Peer]]:
        """Each target, with who is to reach it."""
        return [
            (target, peer)
            for target in self.targets
            for peer in ((target.by,) if target.by else self.subjects)
        ]

    def title_for(self, count: int) -> str:
        """The title of a run with ``count`` messages."""
        return self.title.format(count=f"{count:,}")


def receive(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The main thread's time for each message of a flood."""
    return per_message(page, count, lambda: _flood(case, page, server, count))


def send(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The main thread's time for each message that is sent."""
    url = server.ws_url("/ws/sink", ack=count)
    arguments = {"url": url, "count": count, "limit": WRITE_LIMIT, **case.message}
    return per_message(page, count, lambda: _check(page.call("send", arguments), count))


def round_trip(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time from a message to its echo, on a connection that was idle."""
    arguments = {"url": server.ws_url("/ws/echo"), "count": count, "pause": 5}
    trips = page.call("round_trips", arguments)
    _check(len(trips), count)
    return {"median": measure.percentile(trips, 50), "p99": measure.percentile(trips, 99)}


def echo(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time from a message to its echo, of one after the other, and the main thread's part."""
    arguments = {"url": server.ws_url("/ws/echo"), "count": count, **case.message}
    trips: list[float] = []
    sample = per_message(page, count, lambda: trips.extend(page.call("echoes", arguments)))
    _check(len(trips), count)
    return {"median": measure.percentile(trips, 50), **sample}


def close(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """What is told of an end, and what is left of it, for each connection; half of each kind."""
    half = count // 2
    arguments = {
        "url": server.ws_url("/ws/echo"),
        "ending": server.ws_url("/ws/close", code=4000),
        "count": half,
    }
    before = page.errors
    told, left = page.call("closes", arguments)
    return {
        "untold": 1 - told / count,
        "errors": (page.errors - before) / count,
        "proxies": left / count,
    }


def start(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time of the first import: by the page's clock, and of the main thread's own.

    The latter with what the call takes that has it measured, and without.
    """
    took: list[float] = []
    page.devtools.main_thread(lambda: page.call("idle", {}))
    call = page.devtools.main_thread(lambda: page.call("idle", {}))
    used = page.devtools.main_thread(lambda: took.append(page.call("start", case.message)))
    sample = {"start": took[0]}
    if used is None or call is None:
        return sample
    return {**sample, "thread": used.task * 1e3, "own": (used.task - call.task) * 1e3}


def growth(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """What is held after a flood that was not held before, once garbage is collected."""
    _flood(case, page, server, max(1, count // 10))
    held, python, heap = page.held(), page.allocated(), page.devtools.heap()
    _flood(case, page, server, count)
    held_after, python_after, heap_after = page.held(), page.allocated(), page.devtools.heap()
    sample = {"heap": (heap_after - heap) / 1024}
    if python is not None and python_after is not None:
        sample["python"] = (python_after - python) / 1024
    if held is not None and held_after is not None:
        sample["held"] = held_after - held
    return sample


def queued_flush(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time to send what was queued before the ``open`` event, for each message.

    "flush" is told by the page's clock: from the event's time stamp until the browser's last
    ``send()`` has returned. The main thread's time is that from before the event until all has been
    received and accounted for.
    """
    url = server.ws_url("/ws/sink", ack=count, delay=DELAY)
    with page.watch_sends(count):
        page.call("backlog", {"url": url, "count": count, **case.message})
        if page.sends().opened is not None:
            raise ValueError(f"took so long to queue {count:,} messages that the socket was open")
        sample = per_message(page, count, lambda: _check(page.call("flushed", {}), count))
        sends = page.sends()
    if sends.opened is None or sends.last is None:
        raise ValueError("not all was sent")
    return {**sample, "flush": (sends.last - sends.opened) / count * 1e3}


def losses(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """What became of messages that were sent while one connection after another was lost."""
    id = uuid.uuid4().hex
    faults = {"fault": "drop", "after": DROP_AFTER, "ack": 1, "ping": "ping"}
    url = server.ws_url("/ws/peer", id=id, **faults)
    arguments = {"url": url, "count": count, "rate": RATE, "pause": PAUSE, "window": WINDOW}
    reported = set(page.call("lose", arguments))
    arrived = list(_arrived(server, id))
    lost = set(range(count)) - set(arrived)
    return {
        "lost": len(lost),
        "silent": len(lost - reported),
        "reported": len(reported),
        "twice": len(arrived) - len(set(arrived)),
    }


def _arrived(server: Server, id: str) -> Iterator[int]:
    """The numbers of the messages that have arrived, once all connections have ended."""
    connections = server.journal(id)
    for connection in server.journal(id, closed=len(connections)):
        for message in connection["messages"]:
            yield int(message["data"].partition(" ")[0])


def per_message(page: PeerPage, count: int, work: Callable[[], object]) -> Sample:
    """The time of ``work``, and the main thread's in it if known, for each of so many messages."""
    seconds = 0.0

    def timed() -> None:
        nonlocal seconds
        begin = time.perf_counter()
        work()
        seconds = time.perf_counter() - begin

    used = page.devtools.main_thread(timed)
    sample = {"time": seconds / count * 1e6}
    if used is not None:
        for key in ("script", "microtasks", "task"):
            sample[key] = getattr(used, key) / count * 1e6
    return sample


def _flood(case: Case, page: PeerPage, server: Server, count: int) -> None:
    url = server.ws_url("/ws/flood", count=count, then="close", **case.message)
    _check(page.call("receive", {"url": url}), count * int(case.message["size"]))


def _check(done: int, asked: int) -> None:
    if done != asked:
        raise ValueError(f"did {done} of {asked}")


TIME = (measure.SCRIPT, measure.TASK, measure.TIME)

CASES = (
    *(
        Case(
            f"receive-{kind}-{name}",
            f"receive {{count}} {kind} messages of {label}",
            receive,
            count=count,
            quick=quick,
            message={"kind": kind, "size": size},
            metrics=TIME,
            targets=(
                times(measure.SCRIPT, connect, PYSCRIPT, CONNECT, why=why, least=least),
                *((times(measure.SCRIPT, 1.45, JAVASCRIPT, CONNECT),) if connect == 0.3 else ()),
                times(measure.SCRIPT, 1, PYSCRIPT, DOM),
                times(measure.SCRIPT, 1.1, CONNECT, QUEUED),
            ),
            peers=(*RECEIVERS, TASK) if kind == "binary" else RECEIVERS,
            subjects=(DOM, CONNECT, BATCHES, QUEUED),
        )
        for kind, name, label, size, count, quick, connect, why, least in (
            ("text", "64", "64 B", 64, 30_000, 2_000, 0.3, "", None),
            ("text", "1k", "1 KiB", 2**10, 10_000, 1_000, 0.42, "", None),
            ("text", "16k", "16 KiB", 2**14, 4_000, 200, 0.36, "long-texts", None),
            ("text", "64k", "64 KiB", 2**16, 2_000, 50, 0.28, "long-texts", None),
            ("binary", "64", "64 B", 64, 30_000, 2_000, 0.3, "", None),
            ("binary", "64k", "64 KiB", 2**16, 2_000, 50, 0.9, "large-binary-messages", TASK),
            ("binary", "1m", "1 MiB", 2**20, 200, 5, 0.9, "large-binary-messages", TASK),
        )
    ),
    Case(
        "send-text-64",
        "send {count} text messages of 64 B",
        send,
        count=10_000,
        quick=2_000,
        message={"kind": "text", "size": 64},
        metrics=TIME,
        targets=(
            times(measure.SCRIPT, 1, PYSCRIPT, DOM),
            times(measure.SCRIPT, 1.1, PYSCRIPT, CONNECT),
            times(measure.SCRIPT, 1.1, CONNECT, SEND_QUEUE, why="queues", least=ACCOUNTS),
            times(measure.SCRIPT, 1.1, CONNECT, QUEUED, why="queues", least=ACCOUNTS),
        ),
        peers=SENDERS,
        subjects=(DOM, CONNECT, SEND_QUEUE, QUEUED),
    ),
    Case(
        "send-binary-1m",
        "send {count} binary messages of 1 MiB",
        send,
        count=6,
        quick=3,
        message={"kind": "binary", "size": 2**20},
        metrics=TIME,
        targets=(
            times(measure.SCRIPT, 1 / 30, PYSCRIPT, DOM),
            times(measure.SCRIPT, 1 / 30, PYSCRIPT, CONNECT),
        ),
        peers=(JAVASCRIPT, PYSCRIPT, DOM, CONNECT),
        subjects=(DOM, CONNECT),
    ),
    Case(
        "round-trip",
        "{count} round trips, one at a time",
        round_trip,
        count=100,
        quick=50,
        metrics=(measure.MEDIAN, measure.P99),
        targets=(
            Target(
                measure.MEDIAN,
                0.2,
                JAVASCRIPT,
                how="plus",
                by=CONNECT,
                why="round-trips",
                least=TASK,
            ),
        ),
        peers=(*PEERS, TASK),
        subjects=(DOM, CONNECT),
    ),
    *(
        Case(
            f"compat-{name}",
            f"{{count}} echoes of {label}, each when the last one is back",
            echo,
            count=count,
            quick=20,
            message={"size": size},
            metrics=(measure.MEDIAN, measure.TASK),
            targets=(times(measure.MEDIAN, 1 / share, JAVASCRIPT, why="sessions-and-compat"),),
            peers=(JAVASCRIPT, CONNECT, COMPAT),
            subjects=(COMPAT,),
        )
        for name, label, size, count, share in (
            ("small", "64 B", 64, 1_000, 0.55),
            ("large", "64 KiB", 2**16, 300, 0.7),
            ("huge", "1 MiB", 2**20, 50, 0.85),
        )
    ),
    Case(
        "blocking-receive",
        "receive {count} text messages of 64 B, in code that blocks",
        receive,
        count=50_000,
        quick=2_000,
        message={"kind": "text", "size": 64},
        metrics=TIME,
        targets=(times(measure.SCRIPT, 1 / 2, NIQUESTS), times(measure.TASK, 1, NIQUESTS)),
        peers=BLOCKING_PEERS,
        subjects=(BLOCKING,),
    ),
    Case(
        "blocking-send",
        "send {count} binary messages of 1 MiB, in code that blocks",
        send,
        count=20,
        quick=3,
        message={"kind": "binary", "size": 2**20},
        metrics=TIME,
        targets=(times(measure.SCRIPT, 1 / 10, NIQUESTS),),
        peers=BLOCKING_PEERS,
        subjects=(BLOCKING,),
    ),
    Case(
        "blocking-round-trip",
        "{count} round trips, one at a time, in code that blocks",
        round_trip,
        count=400,
        quick=50,
        metrics=(measure.MEDIAN, measure.P99),
        targets=(times(measure.MEDIAN, 1, NIQUESTS),),
        peers=BLOCKING_PEERS,
        subjects=(BLOCKING,),
    ),
    Case(
        "blocking-close",
        "{count} connections, half of them closed by the server: what each end leaves",
        close,
        count=40,
        quick=4,
        metrics=(measure.UNTOLD, measure.ERRORS, measure.PROXIES),
        targets=(Target(measure.UNTOLD, 0), Target(measure.ERRORS, 0), Target(measure.PROXIES, 0)),
        peers=(BLOCKING, NIQUESTS),
        subjects=(BLOCKING,),
        repeat=1,
    ),
    *(
        Case(
            f"import-{name}",
            f"from readystate import {name}, Pyodide having booted",
            start,
            count=1,
            quick=1,
            message={"name": name},
            metrics=(measure.START, measure.THREAD, measure.OWN),
            # On a busy machine the page's clock runs while the page does not.
            targets=(Target(measure.OWN, limit),),
            peers=(SOURCES, COMPILED),
            subjects=(COMPILED,),
            fresh=True,
        )
        for name, limit in (("WebSocket", 6), ("connect", 10), ("QueuedWebSocket", 20))
    ),
    Case(
        "memory",
        "growth by {count} received messages of 64 B",
        growth,
        count=1_000_000,
        quick=20_000,
        message={"kind": "text", "size": 64},
        metrics=(measure.HEAP, measure.PYTHON, measure.HELD),
        # Less than a bit a message is noise.
        targets=(
            Target(measure.HEAP, 100),
            Target(measure.PYTHON, 100),
            Target(measure.HELD, 0),
        ),
        repeat=1,
    ),
    Case(
        "queue-flush",
        "{count} messages of 64 B queued while CONNECTING: flushed on open",
        queued_flush,
        count=10_000,
        quick=2_000,
        message={"size": 64},
        metrics=(measure.FLUSH, *TIME),
        targets=(times(measure.FLUSH, 1 / 0.9, JAVASCRIPT),),
        peers=(JAVASCRIPT, PARTYSOCKET, PYSCRIPT, SEND_QUEUE, QUEUED),
        subjects=(SEND_QUEUE, QUEUED),
    ),
    Case(
        "queue-lost",
        f"{{count}} messages, connections lost after {DROP_AFTER} each: what became of them",
        losses,
        count=3_000,
        quick=1_000,
        metrics=(measure.LOST, measure.SILENT, measure.REPORTED, measure.TWICE),
        targets=(Target(measure.LOST, 0),),
        peers=(PARTYSOCKET, QUEUED, HEARTBEAT, ACKS, DROP),
        subjects=(HEARTBEAT, ACKS),
        repeat=1,
    ),
)
