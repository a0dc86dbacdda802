"""``python -m tests.soak``: many sockets in one tab, over connections that fail, for long."""

from __future__ import annotations

import argparse
import itertools
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import CDPSession, sync_playwright

from readystate_server.lab import Server, vendor, wheel
from readystate_server.testing import Runtime, open_pyodide
from readystate_server.testing.inpage import write
from tests.browsers import NAMES, launch_options

from .. import faults
from . import page

TESTS = Path(__file__).parents[1]

ROUND = 15
"""The longest round, in seconds. The server's journal has to hold what comes in one."""
WARM = "warm-up"
"""The first round, in which the first sockets meet with each fault. It is as long as the others, as
the accounts of a round hold its messages until its end, and WebAssembly's memory never shrinks."""
RATE = 600
"""The most messages in a second, of all sockets."""
RATE_EACH = 20
MOST_SOCKETS = 150
"""Browsers allow 200 or 255, and abandoned ones linger."""
LINGER = 90
"""For how many seconds what is left over may stay: until the browser gives up a closing handshake
that nobody answers, which Firefox does within 20 s and Chromium after 60 s."""

FAULTS = {"drop": 30, "close": 44, "stall": 7, "deaf": 7, "refuse": 2, "none": 10}
"""What connections meet with, and how often."""
REFUSALS: tuple[dict[str, Any], ...] = ({"fault": "refuse", "status": 503}, {"fault": "abort"})
CLOSE_CODES = (1001, 1011, 1012, 1013, 3000, 4000, None)
AFTER = (10, 200)
"""The fault comes with a message whose number on its connection is between these."""
PLANNED = 100
"""For how many connections of a socket faults are planned; then the plan begins anew."""
FEW = 4
"""Every how many sockets one sends messages of up to 64 KiB, and the others small ones."""

# What may be more at the end than after the warm-up.
MORE_HEAP = 300_000
MORE_ALLOCATED = 300_000
MORE_TRACKED = 500
MORE_MEMORY = 32 * 2**20


class SoakError(Exception):
    """Something is off; the text says what."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=(
            "Has many QueuedWebSockets in one tab send steadily, half of them with "
            "acknowledgements and half with a confirming heartbeat, over connections that drop, "
            "close, stall, go deaf and are now and then refused. In rounds of 15 seconds all "
            "are closed, and each message is looked up in the server's journal: whether it "
            "arrived, and in order. At the end proxies, JavaScript's heap (Chromium) and Python's "
            "memory have to be what they were after the first round."
        ),
        epilog="exit status: 0 if all is well; 1 with a sentence that says what is off",
    )
    add = parser.add_argument
    add("--minutes", type=float, default=1.0, metavar="N", help="how long to send (%(default)s)")
    add("--browser", choices=NAMES, default="chromium", help="which one (%(default)s)")
    add("--sockets", type=int, default=50, metavar="N", help="how many at a time (%(default)s)")
    add("--seed", type=int, default=1, metavar="S", help="of messages and faults (%(default)s)")
    add(
        "--faults",
        default=",".join(FAULTS),
        metavar="NAMES",
        help="which (%(default)s); a browser holds on to a connection that is silent for a minute",
    )
    options = parser.parse_args(arguments)
    options.faults = options.faults.split(",")
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"there is no fault {unknown.pop()!r}: choose from {', '.join(FAULTS)}")
    if not 0 < options.minutes < math.inf:
        parser.error("--minutes must be more than 0")
    if not 1 <= options.sockets <= MOST_SOCKETS:
        parser.error(f"--sockets must be from 1 to {MOST_SOCKETS}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    options = parse(arguments)
    vendor.fetch()
    wheel.build()
    try:
        with (
            Server(max_connections=1_000) as server,
            Server(allow_origins=[server.url]) as refusing,
            sync_playwright() as playwright,
        ):
            browser_type = getattr(playwright, options.browser)
            browser = browser_type.launch(**launch_options(options.browser))
            name = f"{options.browser} {browser.version}"
            say(f"{name}, {options.sockets} sockets, seed {options.seed}")
            try:
                with open_pyodide(browser, server, "page") as runtime:
                    source = (TESTS / "faults.py").read_bytes()
                    runtime.call(write, files={"tests/__init__.py": b"", "tests/faults.py": source})
                    soak = Soak(runtime, server, refusing, options)
                    soak.run()
                if runtime.console.complaints:
                    raise SoakError(f"the console complains: {runtime.console.complaints[:3]}")
            finally:
                browser.close()
    except SoakError as error:
        sys.stderr.write(f"Something is off: {error}\n")
        return 1
    except pytest.fail.Exception as failure:
        sys.stderr.write(f"Something is off in the page:\n{failure}\n")
        return 1
    say(soak.summary())
    return 0


class Soak:
    """One run.

    Args:
        runtime: Where the sockets are.
        server: What they connect to.
        refusing: What they connect to in vain.
        options: Of the command line.
    """

    def __init__(
        self, runtime: Runtime, server: Server, refusing: Server, options: argparse.Namespace
    ) -> None:
        self._runtime = runtime
        self._server = server
        self._base = server.ws_url("")
        # Firefox delays connections to a host to which some have failed, so these have their own.
        self._refusing = refusing.ws_url("/ws/peer").replace("127.0.0.1", "localhost")
        self._options = options
        self._total: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._choice = random.Random(options.seed)  # noqa: S311
        self._numbers = itertools.count(options.seed)
        self._states: list[dict[str, Any]] = []
        self._cdp: CDPSession | None = None
        if options.browser == "chromium":
            self._cdp = runtime.page.context.new_cdp_session(runtime.page)

    def run(self) -> None:
        """Sends for as long as is asked, and looks at what is left.

        Raises:
            SoakError: Something is off.
        """
        seconds = self._options.minutes * 60
        self._runtime.call(page.loaded)
        first = self._measure()
        rounds = math.ceil(seconds / ROUND)
        self._round(WARM, seconds / rounds)
        self._settle(first, "after the warm-up")
        begin = time.monotonic()
        for number in range(1, rounds + 1):
            self._round(f"round-{number}", seconds / rounds)
        self._total["seconds"] = round(time.monotonic() - begin)
        self._settle(first, "at the end")
        grown = list(self._grown())
        if grown:
            raise SoakError("; ".join(grown))

    def summary(self) -> str:
        """What was done, in a few lines."""
        total, (before, after) = self._total, self._states
        ends = ", ".join(f"{count:,} {what}" for what, count in self._faults.most_common())
        heap = f"JavaScript's heap {before['heap']:,} and {after['heap']:,} bytes, "
        return (
            f"All is well: {total['accepted']:,} messages arrived in order and were confirmed; "
            f"{total['resent']:,} were sent again, and {total['duplicates']:,} arrived again.\n"
            f"Connections ended by: {ends or 'none'}; attempts that failed: {total['failed']:,}.\n"
            f"Nothing is left: {after['proxies']} proxies as before the first socket; after the "
            f"warm-up and at the end: {heap if self._cdp else ''}allocated by Python "
            f"{before['allocated']:,} and {after['allocated']:,} bytes, tracked objects "
            f"{before['tracked']:,} and {after['tracked']:,}, WebAssembly's memory "
            f"{before['memory'] / 2**20:.1f} and {after['memory'] / 2**20:.1f} MiB."
        )

    def _round(self, name: str, seconds: float) -> None:
        options = self._options
        begin = time.monotonic()
        sockets = [
            {
                "base": self._base,
                "id": f"{name}-{number}",
                "plan": self._plan(options.faults[number : number + 1] if name == WARM else []),
                "is_endless": True,
                "confirmation": ("acks", "heartbeat")[number % 2],
                "kind": ("text", "binary")[number // 2 % 2],
                "is_small": number % FEW != 0,
                "seed": next(self._numbers),
                "steps": [("put for", seconds, min(RATE_EACH, RATE / options.sockets))],
                "pulse": (1.0, 3.0),
                "backoff": (0.05, 1.0, 1.0),
                # Cancelled timers of Pyodide live on until it would have been time.
                "options": {"close_timeout": None},
            }
            for number in range(options.sockets)
        ]
        # A timer would be left behind.
        told = self._runtime.call(page.soak, timeout=math.inf, sockets=sockets, seconds=seconds)
        took = time.monotonic() - begin
        off = [
            f"{socket['id']}: {problem}"
            for socket, result in zip(sockets, told, strict=True)
            for problem in self._problems(socket, result)
        ]
        total = self._total
        say(
            f"{name}, {took:.0f} s: {total['accepted']:,} accepted, {total['confirmed']:,} "
            f"confirmed, {total['resent']:,} resent, {total['reconnects']:,} reconnects, "
            f"{total['duplicates']:,} arrived twice"
        )
        if off:
            more = f" (and {len(off) - 5:,} more)" if len(off) > 5 else ""
            raise SoakError("; ".join(off[:5]) + more)

    def _plan(self, first: list[str]) -> list[dict[str, Any]]:
        """The queries of a socket's connections."""
        names = self._options.faults
        weights = [FAULTS[name] for name in names]
        chosen = first + self._choice.choices(names, weights, k=PLANNED)
        return [self._query(name) for name in chosen]

    def _query(self, fault: str) -> dict[str, Any]:
        if fault == "none":
            return {}
        if fault == "refuse":
            return {"base": self._refusing, **self._choice.choice(REFUSALS)}
        query = {"fault": fault, "after": self._choice.randint(*AFTER)}
        if fault == "close" and (code := self._choice.choice(CLOSE_CODES)) is not None:
            query |= {"code": code, "reason": "soak"}
        return query

    def _problems(self, socket: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
        """What is off with what a socket says, as the server's journal has it."""
        how = {name: socket[name] for name in ("confirmation", "kind", "is_small", "seed")}
        try:
            journal, arrived = faults.check(self._server, socket["id"], told, **how)
        except AssertionError as error:
            yield str(error)
            return
        for name in ("accepted", "confirmed", "resent", "reconnects"):
            self._total[name] += told[name]
        self._total["failed"] += told["errors"].count("ConnectionFailed")
        self._total["duplicates"] += len(arrived) - len(set(arrived))
        self._faults += faults_met(journal)

    def _measure(self) -> dict[str, Any]:
        state: dict[str, Any] = self._runtime.call(page.measured, timeout=math.inf)
        return state

    def _settle(self, first: dict[str, Any], when: str) -> None:
        """Waits until what abandoned connections hold has gone."""
        state = self._runtime.call(page.settled, timeout=math.inf, before=first, seconds=LINGER)
        if self._cdp is not None:
            for _ in range(3):
                self._cdp.send("HeapProfiler.collectGarbage")
            state["heap"] = int(self._cdp.send("Runtime.getHeapUsage")["usedSize"])
        else:
            state["heap"] = 0
        self._states.append(state)
        say(f"{when}: settled in {state['seconds']:.0f} s, {state['proxies']} proxies")
        if state["objects"] != first["objects"]:
            raise SoakError(
                f"{when} objects are left: {state['objects']}, and before the first socket there "
                f"were {first['objects']}"
            )
        if state["proxies"] != first["proxies"]:
            raise SoakError(
                f"{when} there are {state['proxies']} proxies (of Python objects, of JavaScript "
                f"objects), and there were {first['proxies']} before the first socket"
            )

    def _grown(self) -> Iterator[str]:
        before, after = self._states
        for name, what, bound in (
            ("heap", "bytes of JavaScript's heap", MORE_HEAP),
            ("allocated", "bytes allocated by Python", MORE_ALLOCATED),
            ("tracked", "Python objects", MORE_TRACKED),
            ("memory", "bytes of WebAssembly's memory", MORE_MEMORY),
        ):
            more = after[name] - before[name]
            if more > bound:
                yield f"{more:,} {what} more than after the warm-up; {bound:,} are allowed"


def faults_met(journal: list[dict[str, Any]]) -> Counter[str]:
    """What ended the connections of one socket; "none" for one that was given up without need."""
    met: Counter[str] = Counter()
    for connection in journal:
        query = parse_qs(connection["query"])
        if "fault" in query and connection["count"] >= int(query["after"][0]):
            met[query["fault"][0]] += 1
        elif connection is not journal[-1]:
            met["none"] += 1
    return met


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
