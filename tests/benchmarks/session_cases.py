"""The benchmarks of sessions: what exactly once costs, and what is lost without it."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from readystate.session import control
from readystate_server.lab import Server
from readystate_server.lab.address import Address
from readystate_server.sessions import SUBPROTOCOL

from . import cases, measure
from .cases import (
    BURST,
    DROP_AFTER,
    HEARTBEAT,
    PARTYSOCKET,
    PAUSE,
    QUEUED,
    WRITE_LIMIT,
    Case,
    Target,
    plus,
    times,
)
from .measure import Sample
from .pages import Peer, PeerPage
from .slow_proxy import SlowProxy

ROOT = Path(__file__).parents[2]
PLAIN = Peer("session", "without a session", "pyodide", {"session": False}, page="plain")
SESSION = Peer("session", "with a session", "pyodide", {"session": True}, page="session")
STREAMS = tuple(
    Peer("session", label, "pyodide", {"rate": rate})
    for rate, label in (
        (0, "as fast as it goes"),
        (100, "100 a second"),
        (10, "10 a second"),
        (1, "1 a second"),
    )
)
DELAY = 0.05
"""Seconds that a message takes to a server that is far away, and as long back."""
STEADY = 50
"""How many messages are sent at once where there is room for them."""
RATE = 1
"""How many messages come in a millisecond where each comes alone."""
STREAM_TIME = 60
"""Seconds that a slow stream takes: several times what an acknowledgement may."""
FIRST_ONES = 100
"""How many clients there were before memory is measured."""


def send(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time for each message that is sent: until the server has it, and the main thread's."""
    size = int(case.message["size"])
    limit = max(WRITE_LIMIT, 64 * size)
    options = {"burst": max(1, min(BURST, limit // size // 4)), "limit": limit, **case.message}
    url = _url(server, page, count=1, ack=count)
    return _timed(page, count, "send", {"url": url, "count": count, **options})


def receive(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The time for each message that is received, with connecting, and the main thread's."""
    url = _url(server, page, say=count, **case.message)
    arguments = {"url": url, "count": count, "size": case.message["size"]}
    return _timed(page, count, "receive", arguments)


def resume(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """From when a connection is dropped until a message that was sent then is at the server.

    A round trip is that of a message and its echo. The next attempt begins after PAUSE ms, and that
    a connection is made takes no time here.
    """
    id = uuid.uuid4().hex
    arrivals = []
    with SlowProxy(server, case.message["delay"]) as proxy:
        arguments = {"url": _url(proxy, page, id, echo=1), "count": count, "pause": PAUSE}
        trips = page.call("resume", arguments)
        for number in range(1, count + 1):
            dropped = proxy.drop()
            server.journal(f"{id}/session", messages=count + number, timeout=20)
            arrivals.append((time.monotonic() - dropped) * 1000)
            page.call("resumed", {})
        page.call("end", {})
    arrival, trip = statistics.median(arrivals), statistics.median(trips)
    return {"arrival": arrival, "trip": trip, "trips": arrival / trip}


def overhead(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """The bytes of what acknowledges, and asks for that, as a part of all bytes of the messages."""
    rate = int(page.options["rate"])
    if rate:
        seconds = STREAM_TIME * count / case.count
        count = max(1, min(count, round(rate * seconds)))
    say = {"say": count, "size": case.message["size"], "rate": rate}
    sample = {}
    for key, work, query in (
        ("sending", "stream_out", {"count": 1, "ack": count}),
        ("receiving", "stream_in", say),
    ):
        url = server.ws_url("/ws/session", id=uuid.uuid4().hex, **query)
        with page.watch_frames():
            page.call(work, {"url": url, "count": count})
            frames = page.frames()
        sample[key] = frames.acknowledgements / frames.messages * 100
    return sample


def memory(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """What the server's process grows by for each of ``count`` clients that do nothing, in KiB.

    It is told apart what those take that are connected, and those that have left.
    """
    is_session = bool(page.options["session"])
    sample = {}
    for key, stays in (("connected", True), ("left", False)):
        with _idle_server() as (pid, port), ThreadPoolExecutor() as executor:
            growth = _growth(pid, port, count, is_session, stays)
            # Playwright has an event loop in this thread.
            sample[key] = executor.submit(asyncio.run, growth).result() / 1024
    return sample


def losses(case: Case, page: PeerPage, server: Server, count: int) -> Sample:
    """As without sessions; with one, what arrived is what the application was given."""
    if not page.options.get("session"):
        return cases.losses(case, page, server, count)
    id = uuid.uuid4().hex
    url = server.ws_url("/ws/session", id=id, fault="drop", after=DROP_AFTER)
    return cases.lose(page, server, count, url, f"{id}/session")


def _url(server: Address, page: PeerPage, id: str | None = None, **query: object) -> str:
    """Of an application that is the same with a session and without."""
    if not page.options["session"]:
        query["plain"] = 1
    return server.ws_url("/ws/session", id=id or uuid.uuid4().hex, **query)


def _timed(page: PeerPage, count: int, work: str, arguments: dict[str, Any]) -> Sample:
    seconds = 0.0

    def run() -> None:
        nonlocal seconds
        seconds = page.call(work, arguments)

    used = cases.per_message(page, count, run)
    return {**used, "time": seconds / count * 1e6}


@contextmanager
def _idle_server() -> Iterator[tuple[int, int]]:
    """A process that does nothing else; yields its id and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.idle_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


async def _growth(pid: int, port: int, count: int, is_session: bool, stays: bool) -> float:
    """The bytes that the process has more for each of ``count`` clients."""
    url = f"ws://127.0.0.1:{port}/{'session' if is_session else 'plain'}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        connected = []

        async def come() -> None:
            websocket = await client.ws_connect(url, protocols=(SUBPROTOCOL,))
            if is_session:
                await websocket.send_str(control.encode("open", {"window": [1024, 2**20]}))
                await websocket.receive()
            if stays:
                connected.append(websocket)
            else:
                await websocket.close(code=aiohttp.WSCloseCode.GOING_AWAY)

        for _ in range(FIRST_ONES):
            await come()
        before = _resident(pid)
        for _ in range(count):
            await come()
        return (_resident(pid) - before) / count


def _resident(pid: int) -> int:
    """The memory of a process that is in RAM (RSS), in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


CASES = (
    *(
        Case(
            f"session-{verb}{suffix}",
            f"{verb} {{count}} {kind} messages of {words}, with a session and without",
            take,
            count=count,
            quick=quick,
            message={"kind": kind, "size": size},
            metrics=(measure.TIME, measure.SCRIPT, measure.TASK),
            plotted=(measure.TASK,),
            targets=(times(measure.TIME, 1 / aim, PLAIN), times(measure.TASK, 1 / aim, PLAIN)),
            peers=(PLAIN, SESSION),
            subjects=(SESSION,),
        )
        for verb, take in (("send", send), ("receive", receive))
        for suffix, kind, size, words, count, quick, aim in (
            ("", "text", 64, "64 B", 50_000, 2_000, 0.85),
            ("-binary", "binary", 64, "64 B", 50_000, 2_000, 0.85),
            ("-large-text", "text", 2**16, "64 KiB", 2_000, 100, 0.97),
            ("-large", "binary", 2**16, "64 KiB", 2_000, 100, 0.97),
        )
    ),
    *(
        Case(
            name,
            f"{{count}} reconnections, {words}: until a message that waited has arrived",
            resume,
            count=10,
            quick=2,
            message={"delay": delay},
            metrics=(measure.ARRIVAL, measure.TRIP, measure.TRIPS),
            plotted=(measure.ARRIVAL,),
            targets=(plus(measure.TRIPS, 1, PLAIN),),
            peers=(PLAIN, SESSION),
            subjects=(SESSION,),
        )
        for name, words, delay in (
            ("session-resume", f"{DELAY * 1000:g} ms away", DELAY),
            ("session-resume-near", "on this machine", 0.0),
        )
    ),
    Case(
        "session-send-steady",
        f"send {{count}} text messages of 64 B, {STEADY} each {PAUSE} ms",
        send,
        count=20_000,
        quick=500,
        message={"kind": "text", "size": 64, "burst": STEADY, "pause": PAUSE / 1000},
        metrics=(measure.SCRIPT, measure.TASK),
        targets=(times(measure.TASK, 1 / 0.85, PLAIN),),
        peers=(PLAIN, SESSION),
        subjects=(SESSION,),
    ),
    Case(
        "session-receive-steady",
        f"receive {{count}} text messages of 64 B, at most {RATE * 1000:,} a second",
        receive,
        count=3_000,
        quick=500,
        message={"kind": "text", "size": 64, "rate": RATE * 1000},
        metrics=(measure.SCRIPT, measure.TASK),
        targets=(times(measure.TASK, 1 / 0.85, PLAIN),),
        peers=(PLAIN, SESSION),
        subjects=(SESSION,),
    ),
    Case(
        "session-overhead",
        "bytes of acknowledgements, of a stream of up to {count} messages of 64 B",
        overhead,
        count=20_000,
        quick=500,
        message={"size": 64},
        metrics=(measure.SENDING, measure.RECEIVING),
        targets=(Target(measure.SENDING, 2), Target(measure.RECEIVING, 2)),
        peers=STREAMS,
        subjects=STREAMS,
        repeat=1,
    ),
    Case(
        "session-memory",
        "memory of the server for {count} idle clients",
        memory,
        count=1_000,
        quick=100,
        metrics=(measure.CONNECTED, measure.LEFT),
        targets=(),
        peers=(PLAIN, SESSION),
        subjects=(SESSION,),
        repeat=3,
    ),
    Case(
        "session-lost",
        f"{{count}} messages, connections lost after {DROP_AFTER} each: what became of them",
        losses,
        count=3_000,
        quick=1_000,
        metrics=(measure.LOST, measure.SILENT, measure.REPORTED, measure.TWICE),
        plotted=(measure.SILENT, measure.LOST),
        targets=(Target(measure.LOST, 0), Target(measure.TWICE, 0)),
        peers=(PARTYSOCKET, QUEUED, HEARTBEAT, SESSION),
        subjects=(SESSION,),
        repeat=1,
    ),
)
