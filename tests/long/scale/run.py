"""One run: parts are started, broken and drained, and the accounts of both ends compared."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import operator
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from . import accounts, children, faults
from .accounts import Account, Balance, Journal
from .children import Child
from .faults import Fault
from .ports import free_port
from .proxy import Proxy
from .redis import RedisProcess
from .servers import ServerProcess

_SPARE = 600.0
"""How much longer than planned processes may live, in seconds."""
_CONNECTED = 120.0
_OLD = 2.0
"""Up to how many seconds' messages may be under way when all have recovered."""

_logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Plan:
    """What a run is to do.

    Attributes:
        clients: How many clients there are.
        processes: In how many processes they run.
        servers: How many server processes there are; aiohttp and Starlette in turns.
        seconds: For how long clients send, at least: each fault happens once.
        rate: How many messages a client sends in a second; each is answered by one.
        ramp: In how many seconds all clients start.
        faults: Which faults there are.
        every: After how many seconds without a fault the next one comes.
        seed: Of all choices.
        store: "redis" or "memory".
        fsync: When Redis syncs its file.
        drain: How long to wait, at the end, until nothing is under way.
        connect_rate: Of each server's Sessions; by default theirs.
        compress: Whether servers compress messages.
    """

    clients: int = 200
    processes: int = 2
    servers: int = 3
    seconds: float = 60
    rate: float = 1
    ramp: float = 5
    faults: list[str] = dataclasses.field(default_factory=list)
    every: float = 10
    seed: int = 1
    store: str = "redis"
    fsync: str = "always"
    drain: float = 120
    connect_rate: float | None = None
    compress: bool = False


@dataclasses.dataclass
class Sample:
    """What was there in a second.

    Attributes:
        at: When, in seconds from the start.
        connected: How many clients were connected.
        sent: How many messages were sent.
        answers: How many answers have arrived.
        waiting: How many messages were not confirmed.
        servers: Their memory in bytes.
        redis: Its memory in bytes.
        clients: The memory of all their processes in bytes.
    """

    at: float
    connected: int
    sent: int
    answers: int
    waiting: int
    servers: list[int]
    redis: int
    clients: int


@dataclasses.dataclass
class Measured:
    """What clients have measured, see :class:`.clients.Tally`."""

    attempts: Counter[int] = dataclasses.field(default_factory=Counter)
    opened: Counter[int] = dataclasses.field(default_factory=Counter)
    up: defaultdict[int, Counter[int]] = dataclasses.field(
        default_factory=lambda: defaultdict(Counter)
    )
    down: defaultdict[int, Counter[int]] = dataclasses.field(
        default_factory=lambda: defaultdict(Counter)
    )

    def add(self, said: dict[str, Any]) -> None:
        """Adds what a process has said; the numbers that are keys are texts in JSON."""
        for name in ("attempts", "opened"):
            getattr(self, name).update({int(key): count for key, count in said[name].items()})
        for name in ("up", "down"):
            for second, buckets in said[name].items():
                into = getattr(self, name)[int(second)]
                into.update({int(key): count for key, count in buckets.items()})


@dataclasses.dataclass
class Outcome:
    """What has become of a run; all times are in seconds from its start.

    Attempts, and what was opened of them, are counted by tenth of a second of the monotonic clock;
    ``up`` and ``down`` by second. ``orphans`` are sessions that wait to expire: their clients had
    gone before they heard of them.
    """

    plan: Plan
    began: float
    seconds: float
    balance: Balance
    faults: list[Fault]
    samples: list[Sample]
    errors: Counter[str]
    measured: Measured
    stats: Counter[str]
    refused: Counter[str]
    orphans: int
    redis: dict[str, Any]


class Run:
    """The parts of a run, for its faults too."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.chance = random.Random(plan.seed)  # noqa: S311 - no secret
        bound = plan.seconds + plan.drain + _SPARE
        self.redis: RedisProcess | None = None
        if plan.store == "redis":
            port = free_port(self.chance)
            self.redis = RedisProcess(port, folder, fsync=plan.fsync, bound=bound)
        options: dict[str, Any] = {"max_sessions": 2 * plan.clients}
        if plan.connect_rate is not None:
            options["connect_rate"] = plan.connect_rate
        self.servers = [
            ServerProcess(
                f"server-{index}",
                {
                    "framework": ("aiohttp", "starlette")[index % 2],
                    "port": free_port(self.chance),
                    "redis": None if self.redis is None else self.redis.port,
                    "options": options,
                    "compress": plan.compress,
                },
                folder,
                bound=bound,
            )
            for index in range(plan.servers)
        ]
        target = int(self.servers[0].url.rpartition(":")[2].partition("/")[0])
        self.proxy = Proxy(free_port(self.chance), target)
        self.clients: list[Child] = []
        self.faults: list[Fault] = []
        self.samples: list[Sample] = []
        self._folder = folder
        self._bound = bound
        self._began = time.monotonic()
        self._seconds = 0.0
        # What each process of clients has said last, and how often it has said something.
        self._lines: list[dict[str, Any]] = []
        self._heard: list[int] = []
        self._results: list[dict[str, Any]] = []
        self._measured = Measured()
        self._said = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []

    async def run(self) -> Outcome:
        """Does it all, and ends all processes, whatever happens."""
        async with self._parts():
            sampling = asyncio.create_task(self._sample())
            await self._until(lambda: self._sum("connected") == self.plan.clients, _CONNECTED)
            await self._break()
            await self._drain()
            sampling.cancel()
            await self._finish()
            left = await self._records_left()
            redis = {} if self.redis is None else await self.redis.statistics()
            for server in self.servers:
                await server.end()
        return self._outcome(left, redis)

    @contextlib.asynccontextmanager
    async def _parts(self) -> AsyncIterator[None]:
        try:
            if self.redis is not None:
                await self.redis.start()
            await asyncio.gather(*(server.start() for server in self.servers))
            await self.proxy.start()
            self._began = time.monotonic()
            await self._start_clients()
            yield
        finally:
            ends = [*(one.kill() for one in self.clients), *(one.kill() for one in self.servers)]
            await asyncio.gather(*ends, return_exceptions=True)
            await self.proxy.stop()
            if self.redis is not None:
                await self.redis.kill()
            if self._readers:
                await asyncio.wait(self._readers)

    async def _start_clients(self) -> None:
        plan = self.plan
        # Half of the first server's connections go over the proxy; all servers get as many.
        one, *others = (server.url for server in self.servers)
        urls = [one, self.proxy.url, *others, *others]
        for index in range(plan.processes):
            first = plan.clients * index // plan.processes
            config = {
                "first": first,
                "count": plan.clients * (index + 1) // plan.processes - first,
                "urls": urls,
                "rate": plan.rate,
                "ramp": plan.ramp,
                "seed": self.chance.randrange(2**32),
            }
            child = await children.start(
                children.module("clients", config),
                name=f"clients-{index}",
                bound=self._bound,
                log=self._folder / "clients.log",
            )
            self.clients.append(child)
            self._lines.append({})
            self._heard.append(0)
            self._readers.append(asyncio.create_task(self._read(child, index)))

    async def _read(self, child: Child, index: int) -> None:
        async for line in child.lines():
            if "result" in line:
                self._measured.add(line["result"].pop("measured"))
                self._results.append(line["result"])
            else:
                self._measured.add(line.pop("measured"))
                self._lines[index] = line
                self._heard[index] += 1
            self._said.set()

    def _sum(self, name: str) -> int:
        return sum(line.get(name, 0) for line in self._lines)

    async def _until(self, condition: Any, timeout: float) -> bool:
        """Waits until something holds of what the clients say; returns whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not condition():
                    self._said.clear()
                    await self._said.wait()
        return bool(condition())

    async def _hear(self) -> None:
        """Waits until all clients have said what they have seen by now."""
        enough = [heard + 2 for heard in self._heard]
        await self._until(lambda: all(map(operator.ge, self._heard, enough)), _CONNECTED)

    def _has_recovered(self) -> bool:
        plan = self.plan
        is_connected = self._sum("connected") == plan.clients
        behind = self._sum("sent") - self._sum("answers")
        return is_connected and behind <= max(10, _OLD * plan.rate * plan.clients)

    async def _break(self) -> None:
        """One fault after the other, each at least once, until the time is over."""
        end = self._began + self.plan.seconds
        for index, name in enumerate(faults.plan(self.plan.faults, self.chance)):
            if index >= len(self.plan.faults) and time.monotonic() + self.plan.every > end:
                break
            await asyncio.sleep(self.plan.every)
            _logger.info("%6.1f s: %s", time.monotonic() - self._began, name)
            fault = await faults.happen(name, self)
            self.faults.append(fault)
            await self._hear()
            if await self._until(self._has_recovered, _CONNECTED):
                fault.recovered = time.monotonic()
            _logger.info(
                "%6.1f s: %s: %s, recovered after %s s",
                time.monotonic() - self._began,
                name,
                fault.detail,
                None if fault.recovered is None else round(fault.recovered - fault.ended, 1),
            )
        await asyncio.sleep(max(0, end - time.monotonic()))
        self._seconds = time.monotonic() - self._began

    async def _drain(self) -> None:
        for child in self.clients:
            child.tell(stop=True)
        if not await self._until(self._is_done, self.plan.drain):
            _logger.warning("only %d clients are done", self._sum("done"))

    def _is_done(self) -> bool:
        """Whether nothing is under way; who closes a session without a connection leaves it."""
        return self._sum("done") == self._sum("connected") == self.plan.clients

    async def _finish(self) -> None:
        for child in self.clients:
            child.tell(end=True)
        await self._until(lambda: len(self._results) == len(self.clients), self.plan.drain)

    async def _records_left(self) -> set[str]:
        """The sessions in Redis, a moment after all were closed."""
        left: set[str] = set()
        for _ in range(50):
            left = set() if self.redis is None else await self.redis.sessions()
            if not left:
                break
            await asyncio.sleep(0.1)
        return left

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.samples.append(
                Sample(
                    at=round(time.monotonic() - self._began, 2),
                    connected=self._sum("connected"),
                    sent=self._sum("sent"),
                    answers=self._sum("answers"),
                    waiting=self._sum("waiting"),
                    servers=[children.memory(server.pid) for server in self.servers],
                    redis=0 if self.redis is None else children.memory(self.redis.pid),
                    clients=sum(children.memory(child.pid) for child in self.clients),
                )
            )

    def _outcome(self, left: set[str], redis: dict[str, Any]) -> Outcome:
        journal = Journal()
        for server in self.servers:
            for path in server.journals():
                journal.read(path.stem, path.read_bytes())
        all_accounts = [Account(**one) for result in self._results for one in result["accounts"]]
        balance = accounts.balance(all_accounts, journal, self.plan.clients)
        if forgotten := sum(journal.knows(session) for session in left):
            balance.problems["records left in Redis"] = forgotten
        stats: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        for server in self.servers:
            for each in [*server.past, server.stats]:
                refused.update(each.get("refused", {}))
                for name in ("opened", "resumed", "taken_over", "expired"):
                    stats[name] += each.get(name, 0)
        errors: Counter[str] = Counter()
        for result in self._results:
            errors.update(result["errors"])
        return Outcome(
            plan=self.plan,
            began=self._began,
            seconds=self._seconds,
            balance=balance,
            faults=self.faults,
            samples=self.samples,
            errors=errors,
            measured=self._measured,
            stats=stats,
            refused=refused,
            orphans=len(left) - forgotten,
            redis=redis,
        )


async def run(plan: Plan, folder: Path) -> Outcome:
    """Runs a plan; logs and journals are in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return await Run(plan, folder).run()
