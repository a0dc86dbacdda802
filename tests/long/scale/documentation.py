"""``python -m tests.long.scale.documentation DIR``: shows a run in docs/sessions.md.

DIR has the scale.json of the run. It is copied to docs/, the picture is drawn from it, and what
docs/sessions.md says of it is written anew, between two comments.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.processes import ROOT

from . import picture
from .latency import QUANTILES
from .report import most_connections

DOCS = ROOT / "docs"
BEGIN, END = "<!-- by tests.long.scale -->\n", "<!-- until here -->\n"

_WHILE = {
    "quiet": "nothing fails",
    "abort": "connections are aborted",
    "deploy": "one server after the other is replaced",
    "half-open": "connections hang for 15 s",
    "kill": "a server is killed",
    "kill-all": "all servers are killed, for up to 3 s and their start",
    "stop": "a server stops for 20 s",
    "redis-kill": "Redis is killed, for up to 3 s",
    "redis-memory": "Redis has no memory for 6 s",
}


def markdown(results: Mapping[str, Any]) -> str:
    """What the documentation says of a run.

    Raises:
        ValueError: Something was lost, came twice or out of order.
    """
    if results["problems"]:
        raise ValueError(f"this run is not for the documentation: {results['problems']}")
    return "".join(f"{line}\n" for line in _lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    plan, account = results["plan"], results["accounts"]
    cores = results["environment"]["cores"]
    compression = "compressed" if plan["compress"] else "without compression"
    yield (
        f"This is a run of {plan['seconds'] / 60:g} minutes: {plan['clients']:,} clients with "
        f"{plan['rate']:g} message a second in each direction, {plan['servers']} servers (aiohttp, "
        f"Starlette under uvicorn), {compression}, with"
    )
    yield (
        f"`connect_rate={plan['connect_rate']:g}`, and one Redis with `appendfsync "
        f"{plan['fsync']}`, on {cores} cores. Every {plan['every']:g} s something failed:"
    )
    yield ""
    yield (
        "![Connections, attempts, messages and memory over the time of the run, with its faults]"
        "(scale.svg)"
    )
    yield ""
    yield (
        f"All {account['sent']:,} messages arrived in each direction, each once and in order at "
        f"the clients. {account['again']:,} came to a handler again, with the same"
    )
    yield "`message_id`, as nobody was done with them."
    yield from _herds(results)
    yield from _memory(results["memory"])
    yield ""
    yield "A message's way in milliseconds, for 50 %, 99 % and 99.9 % of the messages:"
    yield ""
    yield "| while | to the server | from the server |"
    yield "|---|---|---|"
    for name, words in _WHILE.items():
        if name in results["latency"]:
            ways = results["latency"][name]
            yield f"| {words} | {_times(ways['up'])} | {_times(ways['down'])} |"


def _herds(results: Mapping[str, Any]) -> Iterator[str]:
    herds = results["herds"]
    if herds:
        back = [herd["nine tenths back after"] for herd in herds]
        crowd = max(herd["most connections in a second"] for herd in herds)
        attempts = max(herd["most attempts in a second when all are there"] for herd in herds)
        limit = most_connections(results["plan"]["clients"])
        yield (
            f"After all servers were killed ({_count(len(herds))}), 90 % of the clients were back "
            f"within {_range(back)} s. In no second were there more than"
        )
        yield (
            f"{crowd:,} connections (in the picture: the limit of {limit:,}, twice an even return "
            f"over 15 s) and, with the servers there, {attempts:,} attempts."
        )


def _memory(memory: Mapping[str, Any]) -> Iterator[str]:
    if memory["growth"] is not None:
        begin, end = memory["settled"], memory["end"]
        names = {"servers": "servers", "redis": "Redis", "clients": "clients"}
        each = ", ".join(f"{words} {_change(begin[n], end[n])}" for n, words in names.items())
        yield (
            f"All processes' memory at the end was {_change(begin['all'], end['all'])} of that "
            f"after {memory['after'] / 60:.2g} minutes ({each})."
        )


def _count(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _change(begin: float, end: float) -> str:
    return f"{100 * end / begin:.0f} %" if begin else "-"


def _times(way: Mapping[str, float | None]) -> str:
    return ", ".join(_two_digits(way[f"p{100 * share:g}"]) for share in QUANTILES)


def _two_digits(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 10 else f"{float(f'{value:.2g}'):,.0f}"


def compact(results: Mapping[str, Any]) -> str:
    """The JSON of a run, with a line for each column of seconds."""
    columns = results["seconds"]
    head = json.dumps({**results, "seconds": {}}, indent=1)
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(values, separators=(',', ':'))}"
        for name, values in columns.items()
    )
    return head.replace('"seconds": {}', f'"seconds": {{\n{lines}\n }}') + "\n"


def write(results: Mapping[str, Any], docs: Path = DOCS) -> None:
    """Shows the run in the documentation."""
    page = docs / "sessions.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{markdown(results)}{END}{after}")
    (docs / "scale.json").write_text(compact(results))
    (docs / "scale.svg").write_text(picture.svg(results))


if __name__ == "__main__":
    write(json.loads((Path(sys.argv[1]) / "scale.json").read_text()))
