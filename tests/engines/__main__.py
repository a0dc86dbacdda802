"""``python -m tests.engines``: the same cases in every engine, and what each of them throws."""

from __future__ import annotations

import argparse
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
    add("--docs", action="store_true", help="show this run in docs/background/engines.md")
    options = parser.parse_args(arguments)
    if options.docs and options.engines:
        parser.error("the table of the documentation has all engines: name none")
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
    if options.docs:
        report.write_to(PAGE, runs)
    return 0 if all(run.holds for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
