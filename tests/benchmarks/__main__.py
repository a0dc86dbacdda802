"""``python -m tests.benchmarks``: measures readystate against its peers in a browser."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from readystate_server.lab import Server, vendor, wheel
from tests.browsers import NAMES, launch_options

from . import bench, plot, report, wheels
from .cases import CASES as OTHERS
from .cases import NIQUESTS
from .pages import Pages
from .session_cases import CASES as SESSIONS

CASES = (*OTHERS, *SESSIONS)
TESTS = Path(__file__).parents[1]
ARTIFACTS = TESTS.parent / "artifacts" / "benchmarks"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures readystate against its peers in a browser, and reports targets.",
        epilog=f"cases: {', '.join(case.name for case in CASES)}",
    )
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help="what to run (all)")
    add("--repeat", type=int, default=7, metavar="N", help="samples of each peer (%(default)s)")
    add("--browser", choices=NAMES, default=NAMES[0], help="only Chromium tells all: else the time")
    add("--quick", action="store_true", help="few messages, one sample: whether it works at all")
    add(
        "--output", type=Path, default=ARTIFACTS, metavar="FOLDER", help="for JSON, SVG and a table"
    )
    options = parser.parse_args(arguments)
    names = [case.name for case in CASES]
    for name in options.cases:
        if name not in names:
            parser.error(f"there is no case {name!r}: choose from {', '.join(names)}")
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = parse(arguments)
    vendor.fetch(development=True)
    wheel.build()
    chosen = [case for case in CASES if not options.cases or case.name in options.cases]
    if any(NIQUESTS in case.peers for case in chosen):
        wheels.fetch()
    repeat = 1 if options.quick else options.repeat
    path = options.output / "benchmarks.json"
    results = []
    with (
        Server(allow_origins=["*"], folders={"/tests": TESTS}) as server,
        sync_playwright() as playwright,
    ):
        browser = getattr(playwright, options.browser).launch(**launch_options(options.browser))
        versions = {options.browser: browser.version}
        environment = describe(**versions, repeat=repeat, quick=options.quick)
        with Pages(browser, server) as pages:
            for case in chosen:
                begin = time.monotonic()
                # To open pages is what takes long, so the cases share them.
                result = bench.run(case, pages, server, repeat=repeat, quick=options.quick)
                results.append(result)
                seconds = time.monotonic() - begin
                sys.stdout.write(f"{report.table(result)}  {seconds:.0f} s\n\n")
                sys.stdout.flush()
                # After each, as a run that is interrupted has measured something too.
                save(options.output, results, environment)
        browser.close()
    sys.stdout.write(f"{path}\n")
    return 0


def save(folder: Path, results: Sequence[bench.Result], environment: dict[str, Any]) -> None:
    """Writes what was measured: as JSON, as a table and as a chart."""
    numbers = report.as_json(results, environment)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("benchmarks.json", json.dumps(numbers, indent=1, ensure_ascii=False) + "\n"),
        ("benchmarks.md", report.markdown(numbers)),
        ("chart.svg", plot.chart(numbers)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def describe(**options: Any) -> dict[str, Any]:
    """What the numbers depend on."""
    package = json.loads((TESTS.parent / "web" / "package.json").read_text())
    return {
        **package["dependencies"],
        **package["devDependencies"],
        "system": platform.platform(terse=True),
        "processors": os.cpu_count(),
        **options,
    }


if __name__ == "__main__":
    sys.exit(main())
