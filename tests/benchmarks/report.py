"""What the terminal and the JSON file say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .bench import Result
from .measure import Metric

WIDTH = 78
"""Columns of the terminal's table."""
_CLOCKS = ("time", "median")


def table(result: Result) -> str:
    """A case's table: the peers with their medians, then the targets."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Result) -> Iterator[str]:
    case = result.case
    first = case.peers[0]
    # What may be about nothing has no ratio that says anything.
    is_compared = any(target.than for target in case.targets)
    yield case.title_for(result.count)
    heads = [_head(metric) for metric in case.metrics]
    if is_compared:
        heads += [f"{metric.label} x" for metric in case.metrics]
    yield _row("", heads)
    for peer in case.peers:
        if peer in result.failures:
            yield f"  {peer.label:<22}{result.failures[peer]}"
            continue
        cells = [number(result.median(peer, metric)) for metric in case.metrics]
        if is_compared:
            cells += [number(result.ratio(peer, first, metric)) for metric in case.metrics]
        yield _row(peer.label, cells)
    verdicts = {True: "reached", False: "missed", None: "not measured"}
    for target, subject in case.aims:
        whose = f"{subject.label}: " if len(case.subjects) > 1 else ""
        reading = number(result.reading(target, subject))
        verdict = verdicts[result.reached(target, subject)]
        yield f"  {f'target: {whose}{target}':<56}{reading:>8}  {verdict}"


def _row(label: str, cells: Sequence[str]) -> str:
    return f"  {label:<22}" + "".join(f"{cell:>{max(14, len(cell) + 2)}}" for cell in cells)


def _head(metric: Metric) -> str:
    unit = metric.unit.removesuffix(" a message")
    return f"{metric.label}, {unit}" if unit else metric.label


def number(value: float | None) -> str:
    """Three digits that tell something."""
    if value is None:
        return "-"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or not size else 3
    return f"{value:,.{digits}f}"


def as_json(results: Sequence[Result], environment: Mapping[str, Any]) -> dict[str, Any]:
    """All of it, samples included, as ``json.dumps`` takes it."""
    return {"environment": dict(environment), "cases": [_case(result) for result in results]}


def _case(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "name": case.name,
        "title": case.title_for(result.count),
        "count": result.count,
        "units": {metric.key: metric.unit for metric in case.metrics},
        "peers": {
            peer.label: {
                "failure": result.failures.get(peer),
                "median": {m.key: result.median(peer, m) for m in case.metrics},
                "ratio": {m.key: result.ratio(peer, case.peers[0], m) for m in case.metrics},
                "samples": [
                    {key: float(f"{value:.4g}") for key, value in sample.items()}
                    for sample in result.samples.get(peer, [])
                ],
            }
            for peer in case.peers
        },
        "targets": [
            {
                "peer": subject.label,
                "target": str(target),
                "metric": target.metric.key,
                "than": target.than.label if target.than else None,
                "how": target.how,
                "limit": target.limit,
                "reading": result.reading(target, subject),
                "reached": result.reached(target, subject),
                "why": target.why,
                "least": target.least and result.reading(target, target.least),
            }
            for target, subject in case.aims
        ],
    }


def markdown(numbers: Mapping[str, Any]) -> str:
    """The targets of what :func:`as_json` returns, as a table."""
    lines = ["| work | who | takes | beside | | aim |", "|---|---|---|---|---|---|"]
    for case in numbers["cases"]:
        for target in case["targets"]:
            lines.append(_target_row(case, target))
    return "\n".join(lines) + "\n"


def _target_row(case: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    peers, metric, than = case["peers"], target["metric"], target["than"]
    unit = case["units"][metric].removesuffix(" a message")
    sign = "+" if target["how"] == "plus" else ""
    takes, beside = (
        _with_unit(peers[name]["median"][metric], unit) if name else ""
        for name in (target["peer"], than)
    )
    cells = [short(case["title"]), target["peer"], takes, f"{than}: {beside}" if than else ""]
    reading, aim = (f"{sign}{number(target[name])}" for name in ("reading", "limit"))
    if target["reached"]:
        cells += [f"**{reading}**", aim]
    else:
        cells += [reading, f"{aim}, {_why(target, sign)}"]
    return f"| {' | '.join(cells)} |"


def _why(target: Mapping[str, Any], sign: str) -> str:
    verdict = "missed"
    if (target["least"] or 0) > target["limit"]:
        verdict = f"out of reach ({sign}{number(target['least'])} at least)"
    return f"{verdict}: [why](#{target['why']})" if target["why"] else verdict


def clock(numbers: Mapping[str, Any], cases: str | tuple[str, ...], *peers: str) -> str:
    """What the ``peers`` took on the clock for the cases that begin so, as a table."""
    lines = [f"| work | {' | '.join(peers)} |", "|---|" + "---|" * len(peers)]
    for case in numbers["cases"]:
        if case["name"].startswith(cases):
            metric, unit = next(unit for unit in case["units"].items() if unit[0] in _CLOCKS)
            medians = (case["peers"].get(peer, {}).get("median", {}).get(metric) for peer in peers)
            cells = [_with_unit(median, unit.removesuffix(" a message")) for median in medians]
            lines.append(f"| {' | '.join([short(case['title']), *cells])} |")
    return "\n".join(lines) + "\n"


def short(title: str) -> str:
    """A case's title without how many messages there are."""
    return re.sub(r"[\d,]+ (\w+) messages of ", r"\1, ", title, count=1)


def _with_unit(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "µs" and value >= 1000:
        value, unit = value / 1000, "ms"
    return f"{number(value)} {unit}".rstrip()
