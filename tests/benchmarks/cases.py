"""The benchmarks: what is done, by whom, how it is measured, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from server import Server

from . import measure
from .measure import Metric, Sample
from .pages import Peer, PeerPage

JAVASCRIPT = Peer("javascript", "JavaScript", "javascript")
PYSCRIPT = Peer("pyscript", "PyScript WebSocket", "pyscript")
DOM = Peer("dom", "readystate.WebSocket", "pyodide")
CONNECT = Peer("connection", "readystate.connect()", "pyodide")
PACKAGE = Peer("package", "readystate", "pyodide")
PEERS = (JAVASCRIPT, PYSCRIPT, DOM, CONNECT)

WRITE_LIMIT = 2**20
"""From how many buffered bytes on every sender waits."""


@dataclass(frozen=True)
class Target:
    """What readystate is to reach: its ``metric`` against a limit.

    Attributes:
        how: "times" and "plus": the limit is a factor of, or comes on top of, what the peer
            ``than`` takes; "value": the limit stands for itself.
    """

    metric: Metric
    limit: float
    than: Peer | None = None
    how: Literal["times", "plus", "value"] = "value"

    def __str__(self) -> str:
        unit = self.metric.unit
        if self.than is None:
            return f"{self.metric.label} at most {self.limit:g} {unit}"
        if self.how == "plus":
            return f"{self.metric.label} at most {self.than.label} + {self.limit:g} {unit}"
        factor = f"{self.limit:g}" if self.limit >= 1 else f"1/{1 / self.limit:g}"
        return f"{self.metric.label} at most {factor} x {self.than.label}"


def times(metric: Metric, limit: float, than: Peer) -> Target:
    """At most ``limit`` times what ``than`` takes."""
    return Target(metric, limit, than, "times")


def plus(metric: Metric, limit: float, than: Peer) -> Target:
    """At most ``limit`` more than ``than``."""
    return Target(metric, limit, than, "plus")


@dataclass(frozen=True)
class Case:
    """One piece of work that peers are compared by.

    Attributes:
        name: By which the command line knows it.
        title: What is done; ``{count}`` stands for how often.
        work: The function of the peers' modules that does it.
        take: Takes one sample.
        count: How many messages a sample is of; ``quick`` in a quick run.
        path: The server's endpoint.
        message: Kind and size of the messages.
        metrics: What a sample is shown by.
        plotted: Those of them that are parts of each other, the smallest first; else all.
        peers: Who does it; the first one is what the others are compared with.
        targets: What ``subject`` is to reach.
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
    plotted: tuple[Metric, ...] = ()
    peers: tuple[Peer, ...] = PEERS
    subject: Peer = CONNECT
    repeat: int | None = None
    fresh: bool = False

    def title_for(self, count: int) -> str:
        """The title of a run with ``count`` messages."""
        return self.title.format(count=f"{count:,}")


def receive(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The main thread's time for each message of a flood."""
    return _per_message(page, count, lambda: _flood(case, page, server, count))


def send(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The main thread's time for each message that is sent."""
    arguments = {
        "url": server.ws_url("/ws/sink", ack=count),
        "count": count,
        "limit": WRITE_LIMIT,
        **case.message,
    }

    def work() -> None:
        _check(page.call("send", arguments), count)

    return _per_message(page, count, work)


def round_trip(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time from a message to its echo, on a connection that was idle."""
    arguments = {"url": server.ws_url("/ws/echo"), "count": count, "pause": 5}
    trips = page.call("round_trips", arguments)
    _check(len(trips), count)
    return {"median": measure.percentile(trips, 50), "p99": measure.percentile(trips, 99)}


def start(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time of the first import."""
    return {"start": page.call("start", {})}


def growth(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """What is held after a flood that was not held before, once garbage is collected."""
    _flood(case, page, server, max(1, count // 10))
    python, heap = page.allocated(), page.devtools.heap()
    _flood(case, page, server, count)
    python_after, heap_after = page.allocated(), page.devtools.heap()
    sample = {"heap": (heap_after - heap) / 1024}
    if python is not None and python_after is not None:
        sample["python"] = (python_after - python) / 1024
    return sample


def _per_message(page: PeerPage, count: int, work: Callable[[], None]) -> Sample:
    used = page.devtools.main_thread(work)
    return {
        "script": used.script / count * 1e6,
        "microtasks": used.microtasks / count * 1e6,
        "task": used.task / count * 1e6,
    }


def _flood(case: Case, page: PeerPage, server: Server, count: int) -> None:
    url = server.ws_url("/ws/flood", count=count, then="close", **case.message)
    _check(page.call("receive", {"url": url}), count * int(case.message["size"]))


def _check(done: int, asked: int) -> None:
    if done != asked:
        raise ValueError(f"did {done} of {asked}")


TIME = (measure.SCRIPT, measure.TASK)

CASES = (
    Case(
        "receive-text",
        "receive {count} text messages of 64 B",
        receive,
        count=100_000,
        quick=2_000,
        message={"kind": "text", "size": 64},
        metrics=TIME,
        targets=(
            times(measure.SCRIPT, 1, JAVASCRIPT),
            times(measure.SCRIPT, 1 / 4, PYSCRIPT),
            times(measure.TASK, 1.2, JAVASCRIPT),
        ),
    ),
    Case(
        "receive-binary",
        "receive {count} binary messages of 64 B",
        receive,
        count=100_000,
        quick=2_000,
        message={"kind": "binary", "size": 64},
        metrics=TIME,
        targets=(times(measure.SCRIPT, 1, JAVASCRIPT),),
    ),
    Case(
        "receive-large",
        "receive {count} binary messages of 64 KiB",
        receive,
        count=3_000,
        quick=100,
        message={"kind": "binary", "size": 2**16},
        metrics=TIME,
        targets=(times(measure.SCRIPT, 3, JAVASCRIPT),),
    ),
    Case(
        "send-text",
        "send {count} text messages of 64 B",
        send,
        count=100_000,
        quick=2_000,
        message={"kind": "text", "size": 64},
        metrics=TIME,
        targets=(times(measure.SCRIPT, 1.5, JAVASCRIPT),),
    ),
    Case(
        "send-large",
        "send {count} binary messages of 1 MiB",
        send,
        count=20,
        quick=3,
        message={"kind": "binary", "size": 2**20},
        metrics=TIME,
        targets=(
            times(measure.SCRIPT, 1.1, JAVASCRIPT),
            times(measure.SCRIPT, 1 / 30, PYSCRIPT),
        ),
    ),
    Case(
        "round-trip",
        "{count} round trips, one at a time",
        round_trip,
        count=400,
        quick=50,
        metrics=(measure.MEDIAN, measure.P99),
        targets=(plus(measure.MEDIAN, 0.3, JAVASCRIPT), plus(measure.P99, 0.3, JAVASCRIPT)),
    ),
    Case(
        "import",
        "import readystate, Pyodide having booted",
        start,
        count=1,
        quick=1,
        metrics=(measure.START,),
        targets=(Target(measure.START, 15),),
        peers=(PACKAGE,),
        subject=PACKAGE,
        fresh=True,
    ),
    Case(
        "memory",
        "growth by {count} received messages of 64 B",
        growth,
        count=1_000_000,
        quick=20_000,
        message={"kind": "text", "size": 64},
        metrics=(measure.HEAP, measure.PYTHON),
        plotted=(measure.HEAP,),
        # Less than a bit a message is noise.
        targets=(Target(measure.HEAP, 100), Target(measure.PYTHON, 100)),
        repeat=1,
    ),
)
