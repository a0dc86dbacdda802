"""What a run has shown, as JSON."""

from __future__ import annotations

import dataclasses
import os
import platform
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any

from .faults import Fault
from .latency import merged, summary
from .run import Outcome, Sample

BEFORE = 1.0
"""How much earlier than a fault a message may be sent that the fault delays, in seconds."""
AFTER = 2.0
"""How much longer than until all have recovered a fault counts, in seconds."""
SETTLED = 300.0
"""After how many seconds memory should grow no more; in a shorter run, after a sixth of it."""
LONG_ENOUGH = 240.0
"""For how many seconds a run must last to tell whether memory grows."""
MOST_GROWTH = 1.10
MOST_CLIENTS = 0.9
SOON = 15.0
"""Within how many seconds most clients should be back."""
_PACKAGES = ("aiohttp", "redis", "starlette", "uvicorn", "websockets")


def report(outcome: Outcome, command: str) -> dict[str, Any]:
    """All of it; "problems" is empty if nothing was lost, came twice or out of order."""
    problems: dict[str, Any] = dict(outcome.balance.problems)
    stuck = [fault.name for fault in outcome.faults if fault.recovered is None]
    if stuck:
        problems["faults from which not all clients have recovered"] = stuck
    results = {
        "command": command,
        "environment": environment(),
        "plan": dataclasses.asdict(outcome.plan),
        "problems": problems,
        "accounts": outcome.balance.as_dict(),
        "latency": latency(outcome),
        "memory": memory(outcome),
        "start": start(outcome),
        "herds": [herd(outcome, fault) for fault in outcome.faults if fault.name == "kill-all"],
        "faults": [_times(outcome, fault) for fault in outcome.faults],
        "server": {**outcome.stats, "orphans": outcome.orphans, "refused": outcome.refused},
        "client": {"errors": dict(outcome.errors.most_common())},
        "redis": outcome.redis,
        "seconds": seconds(outcome),
    }
    return {**results, "aims": aims(results)}


def environment() -> dict[str, Any]:
    """Where it ran."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def latency(outcome: Outcome) -> dict[str, Any]:
    """Milliseconds of a message's way, to the server ("up") and from it, while what happens."""
    windows = [_window(fault) for fault in outcome.faults]
    names = {fault.name for fault in outcome.faults}
    up, down = outcome.measured.up, outcome.measured.down
    moments = sorted(up.keys() | down.keys())
    first = outcome.began + outcome.plan.ramp
    last = outcome.began + outcome.seconds

    def ways(chosen: Iterable[int]) -> dict[str, Any]:
        chosen = [*chosen]
        return {
            name: summary(merged(counts[second] for second in chosen if second in counts))
            for name, counts in (("up", up), ("down", down))
        }

    def in_any(second: int, ranges: Sequence[tuple[float, float]]) -> bool:
        return any(begin <= second + 1 and second <= end for begin, end in ranges)

    quiet = (one for one in moments if first < one < last - 1 and not in_any(one, windows))
    result = {"quiet": ways(quiet)}
    for name in sorted(names):
        own = [_window(fault) for fault in outcome.faults if fault.name == name]
        result[name] = ways(second for second in moments if in_any(second, own))
    return result


def memory(outcome: Outcome) -> dict[str, Any]:
    """MiB at most, in the time after it has settled, and in as long at the end; and the growth.

    Servers that are killed begin anew with little: the most does not depend on when that was.
    """

    def most(samples: Sequence[Sample]) -> dict[str, float] | None:
        if not samples:
            return None
        return {
            "all": _mib(max(sum(one.servers) + one.redis + one.clients for one in samples)),
            "servers": _mib(max(sum(one.servers) for one in samples)),
            "redis": _mib(max(one.redis for one in samples)),
            "clients": _mib(max(one.clients for one in samples)),
        }

    settled = min(SETTLED, outcome.seconds / 6)
    last = outcome.seconds - settled
    end = most([one for one in outcome.samples if last < one.at <= outcome.seconds])
    begin = most([one for one in outcome.samples if settled <= one.at < 2 * settled])
    if begin is None or end is None or outcome.seconds < LONG_ENOUGH:
        return {"after": None, "settled": None, "end": end, "growth": None}
    growth = round(end["all"] / begin["all"], 3)
    return {"after": round(settled), "settled": begin, "end": end, "growth": growth}


def start(outcome: Outcome) -> dict[str, Any]:
    """How clients have connected when they were started."""
    began = outcome.began
    return {"rate": busiest(outcome.measured.opened, began, began + outcome.plan.ramp + 2)}


def herd(outcome: Outcome, fault: Fault) -> dict[str, Any]:
    """How clients came back after all servers had been killed.

    What counts as a connection is a session that was opened or resumed over it.
    """
    clients = outcome.plan.clients
    until = outcome.began + outcome.seconds if fault.recovered is None else fault.recovered
    returned = [
        one.at + outcome.began - fault.ended
        for one in outcome.samples
        if fault.ended <= one.at + outcome.began <= until + AFTER
        and one.connected >= MOST_CLIENTS * clients
    ]
    opened, attempts = outcome.measured.opened, outcome.measured.attempts
    return {
        "at": round(fault.began - outcome.began, 1),
        "away": round(fault.ended - fault.began, 1),
        "nine tenths back after": round(min(returned), 1) if returned else None,
        "most connections in a second": busiest(opened, fault.began, until + AFTER),
        "most attempts in a second": busiest(attempts, fault.began, until + AFTER),
        "most attempts in a second when all are there": busiest(
            attempts, fault.ended, until + AFTER
        ),
    }


def busiest(counts: Mapping[int, int], begin: float, end: float) -> int:
    """The most in any second, of what is counted by tenths of a second."""
    tenths = [counts.get(tenth, 0) for tenth in range(int(10 * begin), int(10 * end) + 1)]
    return max((sum(tenths[index : index + 10]) for index in range(len(tenths))), default=0)


def even_rate(clients: int) -> float:
    """How many clients would come in a second if they came evenly, and most in time."""
    return MOST_CLIENTS * clients / SOON


def most_connections(clients: int) -> int:
    """How many there may be in any second: twice the even rate."""
    return round(2 * even_rate(clients))


def aims(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run should reach; "is met" is ``None`` for what it was too short to show."""
    growth, herds = results["memory"]["growth"], results["herds"]
    slowest = None
    if herds:
        each = [herd["nine tenths back after"] for herd in herds]
        slowest = float("inf") if None in each else max(each)
    crowd = max((herd["most connections in a second"] for herd in herds), default=None)
    found = [
        ("problems: lost, twice, out of order, not recovered", 0, len(results["problems"])),
        ("memory at the end, of that after the first minutes", MOST_GROWTH, growth),
        ("seconds until 90 % are back after all servers were killed", SOON, slowest),
        ("connections in any second, then", most_connections(results["plan"]["clients"]), crowd),
    ]
    return [
        {
            "what": what,
            "at most": limit,
            "was": was,
            "is met": None if was is None else was <= limit,
        }
        for what, limit, was in found
    ]


def seconds(outcome: Outcome) -> dict[str, list[float]]:
    """What was there in each second, as columns: for the picture, and small."""
    samples, measured = outcome.samples, outcome.measured
    length = int(samples[-1].at) if samples else 0
    moments = [one.at for one in samples]
    chosen = [samples[max(0, bisect(moments, second + 1) - 1)] for second in range(length)]

    def within(counts: Mapping[int, int], second: int) -> int:
        first = int(10 * (outcome.began + second))
        return sum(counts.get(tenth, 0) for tenth in range(first, first + 10))

    return {
        "connected": [one.connected for one in chosen],
        "attempts": [within(measured.attempts, second) for second in range(length)],
        "connections": [within(measured.opened, second) for second in range(length)],
        "not confirmed": [one.waiting for one in chosen],
        "not answered": [one.sent - one.answers for one in chosen],
        "servers MiB": [round(sum(one.servers) / 2**20) for one in chosen],
        "clients MiB": [round(one.clients / 2**20) for one in chosen],
        "redis MiB": [round(one.redis / 2**20) for one in chosen],
    }


def _window(fault: Fault) -> tuple[float, float]:
    end = fault.ended + 60 if fault.recovered is None else fault.recovered
    return fault.began - BEFORE, end + AFTER


def _times(outcome: Outcome, fault: Fault) -> dict[str, Any]:
    def since(moment: float | None) -> float | None:
        return None if moment is None else round(moment - outcome.began, 1)

    return {
        "name": fault.name,
        "detail": fault.detail,
        "began": since(fault.began),
        "ended": since(fault.ended),
        "recovered": since(fault.recovered),
    }


def _mib(size: float) -> float:
    return round(size / 2**20, 1)


def words(results: Mapping[str, Any]) -> str:
    """What was wrong and which aims were met, in a few lines."""
    names = ("accounts", "server", "client", "faults") if results["problems"] else ("client",)
    lines = [f"{name}: {results[name]}" for name in names]
    lines.append(f"problems: {results['problems'] or 'none'}")
    for aim in results["aims"]:
        verdict = {True: "met", False: "MISSED", None: "not shown"}[aim["is met"]]
        lines.append(
            f"  {aim['what']:<60}at most {aim['at most']:<6}was {aim['was']!s:<8}{verdict}"
        )
    return "\n".join(lines)
