"""Many clients in a process of their own: ``python -m tests.long.scale.clients CONFIG``.

They say what they do twice a second, and at the end their accounts. What is measured is said and
forgotten, so that they take no more memory in a long run than in a short one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import random
import sys
import time
from collections import Counter, defaultdict
from typing import Any

from readystate import ConnectionClosed, QueuedWebSocket, Session, State, StateChange
from readystate_server.sessions import SUBPROTOCOL

from .accounts import Account, Arrivals
from .children import commands, lift_limits, say
from .latency import bucket

TICK = 0.02
GREETING = "x" * 40
"""What a client says without a session: as much as one with a session does."""
_ATTEMPTS_AT_ONCE = 50
"""How many clients start in a tick, so that the start is no herd: 2,500 a second."""


@dataclasses.dataclass
class Config:
    """What the clients are told.

    Attributes:
        first: The number of the first client.
        count: How many there are.
        urls: Of the servers, from which each attempt takes one.
        rate: How many messages a client sends in a second.
        ramp: In how many seconds all clients start.
        seed: Of their choices.
        has_sessions: Whether there are sessions over the connections.
        interval: After how many quiet seconds they ask whether the connection lives.
        timeout: How long they wait for the answer.
    """

    first: int
    count: int
    urls: list[str]
    rate: float
    ramp: float
    seed: int
    has_sessions: bool = True
    interval: float = 5
    timeout: float = 5


def tenth() -> int:
    """The tenth of a second that it is, by the clock of all processes."""
    return int(10 * time.monotonic())


class Tally:
    """What all clients of this process count together.

    Attributes:
        states: How many of them are in which state.
        errors: Why attempts have failed and connections have ended.
        attempts: How many attempts there were, by tenth of a second, since the last :meth:`take`.
        opened: How many of them have opened or resumed a session.
        up: How long messages took to the server, by the second in which they were sent.
        down: The same from the server.
    """

    def __init__(self) -> None:
        self.states: Counter[State] = Counter()
        self.errors: Counter[str] = Counter()
        self._forget()

    def take(self) -> dict[str, Any]:
        """Returns what was measured since the last time."""
        names = ("attempts", "opened", "up", "down")
        taken = {name: getattr(self, name) for name in names}
        self._forget()
        return taken

    def _forget(self) -> None:
        self.attempts: Counter[int] = Counter()
        self.opened: Counter[int] = Counter()
        self.up: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self.down: defaultdict[int, Counter[int]] = defaultdict(Counter)


class Client:
    """A client that sends numbers, and keeps an account of the answers.

    Attributes:
        index: Its number among all clients.
        sent: How many messages it has sent.
        answers: The answers that have arrived.
        end: Why its session has ended, if by itself.
    """

    def __init__(self, index: int, config: Config, chance: random.Random, tally: Tally) -> None:
        self.index = index
        self.sent = 0
        self.answers = Arrivals()
        self.end: str | None = None
        self._is_closing = False
        self._tally = tally
        self._state: State | None = None
        session = Session(interval=config.interval, timeout=config.timeout)
        self.ws = QueuedWebSocket(
            lambda: chance.choice(config.urls),
            () if config.has_sessions else SUBPROTOCOL,
            session=config.has_sessions and session,
            on_state=self._on_state,
        )

    def say(self) -> None:
        """Sends the next message."""
        self.sent += 1
        self.ws.send(f"{self.index} {self.sent} {time.monotonic():.6f}")

    def abort(self) -> None:
        """Ends its connection without a close frame."""
        link = self.ws._supervisor.link
        wire = None if link is None else link.ws.js_websocket._wire
        if wire is not None:
            wire.abort()

    async def listen(self) -> None:
        """Takes the answers until the session ends."""
        try:
            while True:
                self._take(await self.ws.recv())
        except ConnectionClosed as error:
            if not self._is_closing:
                self.end = repr(error)

    @property
    def is_done(self) -> bool:
        """Whether nothing is under way."""
        is_answered = self.answers.count >= self.sent or self.end is not None
        return is_answered and not self.ws.pending + self.ws.unconfirmed

    async def close(self) -> None:
        """Closes the session."""
        self._is_closing = True
        await self.ws.close()

    def account(self) -> Account:
        """What it says at the end."""
        stats, answers = self.ws.stats, self.answers
        return Account(
            client=self.index,
            sent=self.sent,
            confirmed=stats.confirmed,
            dropped=sum(stats.dropped.values()),
            answers=answers.count,
            twice=answers.twice,
            disordered=answers.disordered,
            lost=answers.lost(self.sent),
            end=self.end,
        )

    def _take(self, message: str | bytes) -> None:
        assert isinstance(message, str)
        number, sent_at, handled_at = message.split()
        self.answers.add(int(number))
        sent, handled = float(sent_at), float(handled_at)
        self._tally.up[int(sent)][bucket(handled - sent)] += 1
        self._tally.down[int(handled)][bucket(time.monotonic() - handled)] += 1

    def _on_state(self, change: StateChange) -> None:
        tally = self._tally
        if self._state is not None:
            tally.states[self._state] -= 1
        self._state = change.state
        tally.states[change.state] += 1
        if change.state is State.CONNECTING:
            tally.attempts[tenth()] += 1
        elif change.state is State.OPEN:
            tally.opened[tenth()] += 1
        elif change.error is not None and not self._is_closing:
            code = getattr(change.error, "code", "")
            reason = getattr(change.error, "reason", "")
            tally.errors[f"{type(change.error).__name__} {code} {reason}".strip()] += 1


class Clients:
    """All clients of this process."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._chance = random.Random(config.seed)  # noqa: S311 - no secret
        self.tally = Tally()
        indexes = range(config.first, config.first + config.count)
        self._clients = [Client(index, config, self._chance, self.tally) for index in indexes]
        self._started = 0
        self._is_speaking = True
        self._listening: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Starts them one after the other, and has them send, until :meth:`stop`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        pause = 1 / self._config.rate if self._config.rate else math.inf
        due = [began + self._chance.random() * pause for _ in self._clients]
        count = len(self._clients)
        while self._is_speaking:
            now = loop.time()
            share = (now - began) / self._config.ramp if self._config.ramp else 1
            until = min(count, round(count * share), self._started + _ATTEMPTS_AT_ONCE)
            for client in self._clients[self._started : until]:
                client.ws.start()
                if not self._config.has_sessions:
                    client.ws.send(GREETING)
                self._listening.append(asyncio.create_task(client.listen()))
            self._started = max(self._started, until)
            for index in range(self._started):
                if due[index] <= now and self._clients[index].end is None:
                    self._clients[index].say()
                    due[index] = max(due[index] + pause, now)
            await asyncio.sleep(TICK)

    def abort(self, share: float) -> int:
        """Ends the connections of some; returns of how many."""
        chosen = self._chance.sample(self._clients, round(share * len(self._clients)))
        for client in chosen:
            client.abort()
        return len(chosen)

    def stop(self) -> None:
        """Sends nothing more."""
        self._is_speaking = False

    def line(self) -> dict[str, Any]:
        """What they do now."""
        tally, started = self.tally, self._clients[: self._started]
        return {
            "connected": tally.states[State.OPEN],
            "sent": sum(client.sent for client in started),
            "answers": sum(client.answers.count for client in started),
            "waiting": sum(client.ws.pending + client.ws.unconfirmed for client in started),
            "done": sum(client.is_done for client in started),
            "ended": sum(client.end is not None for client in started),
            "measured": tally.take(),
        }

    async def finish(self) -> dict[str, Any]:
        """Closes all sessions; returns the accounts."""
        await asyncio.gather(*(client.close() for client in self._clients))
        await asyncio.gather(*self._listening)
        return {
            "accounts": [dataclasses.asdict(client.account()) for client in self._clients],
            "errors": self.tally.errors,
            "measured": self.tally.take(),
        }


async def speak(clients: Clients) -> None:
    """Says what they do, twice a second."""
    while True:
        say(**clients.line())
        await asyncio.sleep(0.5)


async def main(config: Config) -> None:
    """Runs until it is told to stop, then to end."""
    lift_limits()
    clients = Clients(config)
    speaking = asyncio.create_task(speak(clients))
    running = asyncio.create_task(clients.run())
    async for command in commands():
        if "abort" in command:
            clients.abort(command["abort"])
        elif "stop" in command:
            clients.stop()
            await running
        elif "end" in command:
            speaking.cancel()
            say(result=await clients.finish())
            return


if __name__ == "__main__":
    asyncio.run(main(Config(**json.loads(sys.argv[1]))))
