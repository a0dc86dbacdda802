"""``python -m tests.engines``: the same cases in every engine, and what each of them throws."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from readystate_server.lab import vendor, wheel

from .. import versions
from . import report
from .runner import ENGINES, OLDEST, OTHERS, run_all

PAGE = Path(__file__).parents[2] / "docs" / "background" / "engines.md"
"""Where the documentation has the table of all engines."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines",
        description=(
            "Runs the same cases in each engine, and shows what was thrown, its name, "
            "code and message. A departure from the standard is one of those in "
            "docs/background/engines.md."
        ),
        epilog=(
            f"engines: {', '.join([*ENGINES, *OTHERS])}; "
            "exit status: 1 if a case fails, or an engine is missing"
        ),
    )
    add = parser.add_argument
    add("engines", nargs="*", metavar="ENGINE", help="where to run (all)")
    add("--json", type=Path, metavar="FILE", help="write all that was seen")
    add(
        "--markdown",
        type=Path,
        metavar="FILE",
        nargs="?",
        const=PAGE,
        help="write two tables, what holds in each engine and what each case saw there; without "
        "FILE, the first of them into docs/background/engines.md, which takes all engines",
    )
    options = parser.parse_args(arguments)
    if options.markdown == PAGE and options.engines:
        parser.error("the table of the documentation has all engines: name none, or a FILE")
    for name in options.engines:
        if name not in ENGINES and name not in OTHERS:
            names = ", ".join([*ENGINES, *OTHERS])
            parser.error(f"there is no engine {name!r}: choose from {names}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = parse(arguments)
    vendor.fetch(development=True)
    engines = options.engines or [*ENGINES, *OTHERS]
    versions.fetch(long=any(name in OTHERS and name != OLDEST for name in engines))
    wheel.build()
    runs = []
    for run in run_all(engines):
        runs.append(run)
        sys.stderr.write(f"{run.engine} is done\n")
    sys.stdout.write(report.table(runs))
    if options.json:
        text = json.dumps(report.as_json(runs), indent=1, ensure_ascii=False)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    if options.markdown == PAGE:
        report.write_to(PAGE, runs)
    elif options.markdown:
        options.markdown.write_text(report.as_markdown(runs), encoding="utf-8")
    return 0 if all(run.holds for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
