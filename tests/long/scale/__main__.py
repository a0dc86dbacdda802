"""``python -m tests.long.scale``: runs, and says what was reached; exits with 1 if not all was.

::

    python -m tests.long.scale --clients 2000 --servers 3 --minutes 30 --every 15 --seed 7 \\
        --report DIR --docs
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import documentation, faults, picture, report
from .children import end_after, lift_limits
from .run import Outcome, Plan, run

_SPARE = 900.0
_BACK_IN = 10.0
"""In how many seconds all clients may be back, if they come evenly."""
_INTERRUPTED = 130


def main() -> int:
    """Runs; returns the exit status."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    lift_limits()
    seed = random.SystemRandom().randrange(10_000) if options.seed is None else options.seed
    plan = Plan(
        clients=options.clients,
        processes=options.processes,
        servers=options.servers,
        seconds=60 * options.minutes,
        rate=options.rate,
        ramp=options.clients / options.start_rate,
        faults=faults.chosen(options.faults, has_redis=options.store == "redis"),
        every=options.every,
        seed=seed,
        store=options.store,
        fsync=options.appendfsync,
        compress=options.compress,
        connect_rate=options.connect_rate or round(options.clients / options.servers / _BACK_IN, 1),
    )
    logging.info("seed %d", seed)
    end_after(plan.seconds + plan.drain + _SPARE)
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        outcome = asyncio.run(_run(plan, folder))
    except asyncio.CancelledError:
        say("interrupted")
        return _INTERRUPTED
    results = report.report(outcome, "python -m tests.long.scale " + shlex.join(sys.argv[1:]))
    if not results["problems"]:
        say(documentation.markdown(results))
    say(report.words(results))
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / "scale.json").write_text(documentation.compact(results))
        (options.report / "scale.svg").write_text(picture.svg(results))
        say(f"the report is in {options.report}")
    if results["problems"]:
        say(f"logs and journals are in {folder}")
        return 1
    shutil.rmtree(folder)
    if options.docs:
        documentation.write(results)
        say("docs/sessions.md, docs/scale.json and docs/scale.svg show this run")
    return 1 if any(aim["is met"] is False for aim in results["aims"]) else 0


def say(words: str) -> None:
    """Says something to whoever runs it."""
    sys.stdout.write(words + "\n")


async def _run(plan: Plan, folder: Path) -> Outcome:
    task = asyncio.ensure_future(run(plan, folder))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    return await task


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.long.scale", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2, help="of the clients")
    parser.add_argument("--servers", type=int, default=3, help="aiohttp and Starlette in turns")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--rate", type=float, default=1, help="messages a second, each way")
    parser.add_argument("--start-rate", type=float, default=100, help="clients a second")
    parser.add_argument(
        "--faults", default="all", help="all, none, or some of: " + ",".join(faults.ALL)
    )
    parser.add_argument("--every", type=float, default=10, help="seconds between faults")
    parser.add_argument("--seed", type=int, help="of all choices; by default a random one")
    parser.add_argument("--store", choices=("redis", "memory"), default="redis")
    parser.add_argument("--appendfsync", choices=("always", "everysec", "no"), default="always")
    parser.add_argument(
        "--connect-rate",
        type=float,
        help="of each server's Sessions; by default so that all clients are back in 10 s",
    )
    parser.add_argument("--compress", action="store_true", help="compress messages")
    parser.add_argument("--docs", action="store_true", help="show this run in docs/sessions.md")
    parser.add_argument("--report", type=Path, help="the folder for scale.json and scale.svg")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
