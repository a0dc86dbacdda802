"""What the terminal and the documentation say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .cases import ALL
from .runner import Run


def table(runs: Sequence[Run]) -> str:
    """Each case, and below it what it saw in each engine; then the engines."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Sequence[Run]) -> Iterator[str]:
    for case in ALL:
        shown = [(run.engine, text) for run in runs for text in _shown(run, case)]
        if shown:
            yield case
            yield from (f"  {engine:<10} {text}" for engine, text in shown)
    yield ""
    yield from (summary(run) for run in runs)


def _shown(run: Run, case: str) -> Iterator[str]:
    if (result := run.results.get(case)) is None:
        return  # The engine's own line says why.
    if result["failure"] is not None:
        yield f"FAILED: {result['failure'].strip().splitlines()[-1]}"
    yield from dict.fromkeys(_thrown(thrown) for thrown in result["thrown"])
    yield from result["seen"]


def _thrown(thrown: dict[str, Any]) -> str:
    native = thrown["native"]
    text: str = thrown["name"]
    if thrown["code"] is not None:
        text += f" {thrown['code']}"
    if native is None:
        text += " (the engine throws nothing)"
    elif (native["name"], native["code"]) != (thrown["name"], thrown["code"]):
        code = "without a code" if native["code"] is None else f"with code {native['code']}"
        text += f" (the engine: {native['class']} {code})"
    return f"{text}: {thrown['message']}"


def summary(run: Run) -> str:
    """An engine in a line, and what is wrong in full."""
    failures = [case for case in ALL if run.failure_of(case) is not None]
    departing = sum(bool(result["departures"]) for result in run.results.values())
    seconds = sum(result["seconds"] for result in run.results.values())
    name = _heading(run.engine, run.version)
    line = f"{name}: {len(ALL) - len(failures)} of {len(ALL)} cases hold"
    line += f", {departing} of them with a known departure, {seconds:.0f} s"
    if run.failure is not None:
        line += f"\n  {run.failure}"
    for case in failures:
        if case in run.results:
            line += f"\n{case}\n{run.results[case]['failure']}"
    return line


def as_summaries(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What docs/background/engines.json has of each run, as ``json.dumps`` takes it."""
    return [_summary(run) for run in runs]


def _summary(run: Run) -> dict[str, Any]:
    results = run.results.values()
    return {
        "engine": run.engine,
        "version": run.version,
        "python": next((str(result["python"]) for result in results), ""),
        "hold": sum(run.failure_of(case) is None for case in ALL),
        "cases": len(ALL),
        "departures": {
            result["case"]: result["departures"] for result in results if result["departures"]
        },
    }


def overview(summaries: Sequence[Mapping[str, Any]]) -> str:
    """A table, engine by Python, as docs/background/engines.md has it."""
    lines = ["| engine | Python | cases that hold | not evened out in |", "|---" * 4 + "|"]
    for run in summaries:
        engine = _heading(run["engine"].partition("@")[0], run["version"])
        hold = f"{run['hold']} of {run['cases']}"
        lines.append(f"| {engine} | {run['python']} | {hold} | {len(run['departures'])} |")
    return "\n".join(lines) + "\n"


def _heading(engine: str, version: str) -> str:
    """An engine and its version, which can be in its name too."""
    return f"{engine.removesuffix(f'-{version}')} {version}".strip()


def write_to(page: Path, runs: Sequence[Run]) -> None:
    """Puts the table into a page of the documentation, and what it is made of beside it.

    Raises:
        ValueError: The page has no such table.
    """
    summaries = as_summaries(runs)
    table = overview(summaries)
    head, _ = table.split("\n", 1)
    before, found, after = page.read_text(encoding="utf-8").partition(head)
    if not found:
        raise ValueError(f"{page.name} has no table that begins with {head!r}")
    _, _, after = after.partition("\n\n")
    page.write_text(f"{before}{table}\n{after}", encoding="utf-8")
    text = json.dumps(summaries, indent=1, ensure_ascii=False)
    page.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
