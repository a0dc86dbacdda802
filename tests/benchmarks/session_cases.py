"""The benchmarks of sessions: what exactly once costs."""

from __future__ import annotations

import uuid
from typing import Any

from readystate_server.lab import Server

from . import cases, measure
from .cases import WRITE_LIMIT, Case, Target, times
from .measure import Sample
from .pages import Peer, PeerPage

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
BURST = 2**8
"""How many messages are sent between looks at what waits, where these would be most of the work."""
STREAM_TIME = 60
"""Seconds that a slow stream takes: several times what an acknowledgement may."""


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


def _url(server: Server, page: PeerPage, **query: object) -> str:
    """Of an application that is the same with a session and without."""
    if not page.options["session"]:
        query["plain"] = 1
    return server.ws_url("/ws/session", id=uuid.uuid4().hex, **query)


def _timed(page: PeerPage, count: int, work: str, arguments: dict[str, Any]) -> Sample:
    seconds = 0.0

    def run() -> None:
        nonlocal seconds
        seconds = page.call(work, arguments)

    used = cases.per_message(page, count, run)
    return {**used, "time": seconds / count * 1e6}


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
            targets=tuple(
                times(metric, 1 / aim, PLAIN, why="sessions-and-compat")
                for metric in (measure.TIME, measure.TASK)
            ),
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
)
