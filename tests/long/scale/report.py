"""What a run has shown, as JSON."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
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
"""After how many seconds memory should grow no more."""
MOST_GROWTH = 1.10
_WINDOW = 300.0
_MOST_CLIENTS = 0.9
_SOON = 15.0
"""Within how many seconds most clients should be back; an even rate would be just enough."""
_PACKAGES = ("aiohttp", "redis", "starlette", "uvicorn", "websockets")


def report(outcome: Outcome, command: str) -> dict[str, Any]:
    """All of it; "problems" is empty if all is as it should be."""
    problems: dict[str, Any] = dict(outcome.balance.problems)
    stuck = [fault.name for fault in outcome.faults if fault.recovered is None]
    if stuck:
        problems["faults from which not all clients have recovered"] = stuck
    grown = memory(outcome)
    if grown["growth"] is not None and grown["growth"] > MOST_GROWTH:
        problems["memory has grown"] = grown["growth"]
    return {
        "command": command,
        "environment": environment(),
        "plan": dataclasses.asdict(outcome.plan),
        "problems": problems,
        "accounts": outcome.balance.as_dict(),
        "latency": latency(outcome),
        "memory": grown,
        "start": start(outcome),
        "herds": [herd(outcome, fault) for fault in outcome.faults if fault.name == "kill-all"],
        "faults": [_times(outcome, fault) for fault in outcome.faults],
        "server": {**outcome.stats, "orphans": outcome.orphans, "refused": outcome.refused},
        "client": {"errors": dict(outcome.errors.most_common())},
        "redis": outcome.redis,
        "samples": [dataclasses.asdict(sample) for sample in outcome.samples],
    }


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
    seconds = sorted(outcome.up.keys() | outcome.down.keys())
    first = outcome.began + outcome.plan.ramp
    last = outcome.began + outcome.seconds

    def ways(chosen: Iterable[int]) -> dict[str, Any]:
        chosen = [*chosen]
        return {
            name: summary(merged(counts[second] for second in chosen if second in counts))
            for name, counts in (("up", outcome.up), ("down", outcome.down))
        }

    def in_any(second: int, ranges: Sequence[tuple[float, float]]) -> bool:
        return any(begin <= second + 1 and second <= end for begin, end in ranges)

    quiet = (one for one in seconds if first < one < last - 1 and not in_any(one, windows))
    result = {"quiet": ways(quiet)}
    for name in sorted(names):
        own = [_window(fault) for fault in outcome.faults if fault.name == name]
        result[name] = ways(second for second in seconds if in_any(second, own))
    return result


def memory(outcome: Outcome) -> dict[str, Any]:
    """MiB at most, in the five minutes after SETTLED and in the last five; and how much it grew.

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

    first, last = SETTLED + _WINDOW, outcome.seconds - _WINDOW
    end = most([one for one in outcome.samples if last < one.at <= outcome.seconds])
    begin = most([one for one in outcome.samples if SETTLED <= one.at < first])
    if begin is None or end is None or last < first:
        return {"settled": None, "end": end, "growth": None}
    return {"settled": begin, "end": end, "growth": round(end["all"] / begin["all"], 3)}


def start(outcome: Outcome) -> dict[str, Any]:
    """How clients have connected when they were started."""
    samples = [one for one in outcome.samples if one.at <= outcome.plan.ramp + 2]
    return {"rate": max((one.opened for one in samples), default=0)}


def herd(outcome: Outcome, fault: Fault) -> dict[str, Any]:
    """How clients came back after all servers had been killed."""
    began, back = fault.began - outcome.began, fault.ended - outcome.began
    until = outcome.seconds if fault.recovered is None else fault.recovered - outcome.began
    during = [one for one in outcome.samples if began < one.at <= until + 2]
    enough = _MOST_CLIENTS * outcome.plan.clients
    returned = [one.at - back for one in during if one.at >= back and one.connected >= enough]
    return {
        "at": round(began, 1),
        "away": round(back - began, 1),
        "even rate": round(enough / _SOON),
        "nine tenths back after": round(min(returned), 1) if returned else None,
        "most attempts in a second": max((one.attempts for one in during), default=0),
        "most connections in a second": max((one.opened for one in during), default=0),
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


def words(results: dict[str, Any]) -> str:
    """A report in a few lines."""
    account, lines = results["accounts"], []
    lines.append(
        f"{account['sent']:,} messages sent, {account['handled']:,} handled "
        f"({account['again']:,} again, as nobody was done with them), "
        f"{account['confirmed']:,} confirmed, {account['answers']:,} answers"
    )
    lines.append("latency in ms              up p50     p99   p99.9 | down p50     p99   p99.9")
    for name, ways in results["latency"].items():
        cells = [
            "-" if ways[way][column] is None else f"{ways[way][column]:,.1f}"
            for way in ("up", "down")
            for column in ("p50", "p99", "p99.9")
        ]
        lines.append(f"  {name:<22}" + "".join(f"{cell:>10}" for cell in cells))
    counts = Counter(fault["name"] for fault in results["faults"])
    lines.append("faults: " + (", ".join(f"{n} x{c}" for n, c in counts.items()) or "none"))
    lines += [f"herd: {each}" for each in results["herds"]]
    lines.append(f"memory in MiB: {results['memory']}")
    lines.append(f"server: {results['server']}")
    lines.append(f"client: {results['client']['errors']}")
    lines.append(f"problems: {results['problems'] or 'none'}")
    return "\n".join(lines)
