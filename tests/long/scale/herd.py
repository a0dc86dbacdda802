"""``python -m tests.long.scale.herd``: how clients come back, with virtual time and no sockets.

All lose their connections at once, as the server goes away, and it takes all that come when it is
back. How flat is the rate of attempts? Beside the default :class:`Backoff` are the schedules of
partysocket (``dist/ws.js`` of partysocket 1.3.0: 3 s, times 1.3 up to 10 s, without jitter) and of
Phoenix (``assets/js/phoenix/socket.js`` of phoenix 1.8.16, ``reconnectAfterMs``).
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from readystate import Backoff
from readystate_server.sessions.bucket import Turns
from readystate_server.sessions.sessions import LONGEST_WAIT

from .picture import chart

Delays = Callable[[Callable[[], float]], Iterator[float]]
"""Makes a client's waits, given a source of chance."""

CLIENTS = 1_000_000
AWAY = 60.0
SEED = 7
_SERVERS = 3


def ours(backoff: Backoff | None = None) -> Delays:
    """A Backoff's waits; the default one's, if it is not given."""
    chosen = Backoff() if backoff is None else backoff

    def delays(chance: Callable[[], float]) -> Iterator[float]:
        with_chance = Backoff(
            chosen.initial, chosen.maximum, chosen.factor, chosen.jitter, random=chance
        )
        return with_chance.delays()

    return delays


def partysocket(_: Callable[[], float]) -> Iterator[float]:
    """Its waits: all clients have the same."""
    delay = 3.0
    while True:
        yield delay
        delay = min(delay * 1.3, 10.0)


def phoenix(_: Callable[[], float]) -> Iterator[float]:
    """Its waits: all clients have the same."""
    yield from (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)
    while True:
        yield 5.0


SCHEDULES: dict[str, Delays] = {
    "readystate": ours(),
    "partysocket 1.3.0": partysocket,
    "Phoenix 1.8.16": phoenix,
}


@dataclasses.dataclass
class Herd:
    """How the clients came back.

    Attributes:
        clients: How many there are.
        away: For how many seconds the server is away.
        attempts: How many attempts there were, by second from the loss.
        tenths: By tenth of a second.
        returned: How many clients were back, by the second in which they came.
        refused: How many attempts a server has refused, as too many waited.
    """

    clients: int
    away: float
    attempts: Counter[int] = dataclasses.field(default_factory=Counter)
    tenths: Counter[int] = dataclasses.field(default_factory=Counter)
    returned: Counter[int] = dataclasses.field(default_factory=Counter)
    refused: int = 0

    @property
    def peak(self) -> int:
        """The most attempts in any second."""
        return max(self.attempts.values(), default=0)

    @property
    def sharpest(self) -> int:
        """The most attempts in any tenth of a second."""
        return max(self.tenths.values(), default=0)

    def back(self, share: float) -> int:
        """In how many whole seconds after the server's return this share of them was back."""
        rest = share * self.clients
        second = 0
        for second in sorted(self.returned):
            rest -= self.returned[second]
            if rest <= 0:
                break
        return second + 1 - int(self.away)

    def summary(self) -> dict[str, Any]:
        """For the report."""
        return {
            "most attempts in a second": self.peak,
            "most attempts in a tenth of a second": self.sharpest,
            "attempts of a client": round(self.attempts.total() / self.clients, 1),
            "nine tenths back after seconds": self.back(0.9),
            "attempts by second": [self.attempts[n] for n in range(max(self.attempts) + 1)],
        }


def simulate(delays: Delays, clients: int, away: float, seed: int = SEED) -> Herd:
    """Lets ``clients`` come back to a server that is away for so many seconds."""
    chance = random.Random(seed).random  # noqa: S311 - no secret
    herd = Herd(clients, away)
    for _ in range(clients):
        now = 0.0
        for delay in delays(chance):
            now += delay
            herd.attempts[int(now)] += 1
            herd.tenths[int(10 * now)] += 1
            if now >= away:
                herd.returned[int(now)] += 1
                break
    return herd


def admit(
    delays: Delays, clients: int, away: float, rate: float, servers: int, seed: int = SEED
) -> Herd:
    """The same with servers that let in ``rate`` clients a second each (``connect_rate``)."""
    now = 0.0
    turns = [Turns(rate, LONGEST_WAIT, clock=lambda: now) for _ in range(servers)]
    generator = random.Random(seed)  # noqa: S311 - no secret
    waits = [delays(generator.random) for _ in range(clients)]
    due = [(next(wait), index) for index, wait in enumerate(waits)]
    heapq.heapify(due)
    herd = Herd(clients, away)
    while due:
        now, index = heapq.heappop(due)
        herd.attempts[int(now)] += 1
        herd.tenths[int(10 * now)] += 1
        turn = generator.choice(turns).take() if now >= away else None
        if turn is None:
            herd.refused += now >= away
            heapq.heappush(due, (now + next(waits[index]), index))
        else:
            herd.returned[int(turn)] += 1
    return herd


def main() -> int:
    """Prints a table; returns the exit status, which is 1 if another schedule is flatter."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.scale.herd", description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--away", type=float, default=AWAY, help="seconds")
    parser.add_argument(
        "--connect-rate", type=float, help="let clients in, on three servers, so many a second each"
    )
    parser.add_argument("--report", type=Path, help="the folder for herd.json and herd.svg")
    options = parser.parse_args()
    herds: dict[str, Herd] = {}
    _say(f"{options.clients:,} clients, a server that is away for {options.away:g} s")
    _say(f"{'':20}{'peak/s':>12}{'peak/0.1 s':>12}{'attempts':>10}{'90 % back':>11}{'CPU s':>7}")
    for name, delays in SCHEDULES.items():
        began = time.process_time()
        herd = herds[name] = simulate(delays, options.clients, options.away)
        _say(
            f"{name:20}{herd.peak:>12,}{herd.sharpest:>12,}"
            f"{herd.attempts.total() / herd.clients:>10.1f}{herd.back(0.9):>9} s"
            f"{time.process_time() - began:>7.1f}"
        )
    if options.connect_rate is not None:
        herd = admit(ours(), options.clients, options.away, options.connect_rate, _SERVERS)
        _say(
            f"connect_rate={options.connect_rate:g} on {_SERVERS} servers: at most "
            f"{max(herd.returned.values()):,} connections/s, 90 % back after {herd.back(0.9)} s, "
            f"{herd.refused:,} refused"
        )
    if options.report is not None:
        options.report.mkdir(parents=True, exist_ok=True)
        results = {
            "clients": options.clients,
            "away": options.away,
            "seed": SEED,
            "schedules": {name: herd.summary() for name, herd in herds.items()},
        }
        (options.report / "herd.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.report / "herd.svg").write_text(_picture(herds, options.clients, options.away))
        _say(f"the report is in {options.report}")
    flattest = min(herds.values(), key=lambda herd: herd.peak)
    return 0 if flattest is herds["readystate"] else 1


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")


def _picture(herds: dict[str, Herd], clients: int, away: float) -> str:
    end = max(max(herd.attempts) for herd in herds.values()) + 1
    times = [second + 0.5 for second in range(end)]
    return chart(
        f"{clients:,} clients whose server is away for {away:g} s: attempts in each second",
        times,
        {name: [herd.attempts[n] for n in range(end)] for name, herd in herds.items()},
        away,
    )


if __name__ == "__main__":
    sys.exit(main())
