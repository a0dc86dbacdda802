"""The accounts of both ends, and what does not agree. Pure logic.

A server's message has to arrive exactly once. A client's reaches a handler once as long as the
process lives; when another one goes on, what was not done comes again, with the same message_id.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Iterator
from typing import Any

_RECORD = struct.Struct("<IIIIQ")


def pack(client: int, number: int, count: int, run: int, session: str) -> bytes:
    """A line of a server's journal.

    Args:
        client: Which one has sent the message.
        number: What the client calls it, from 1.
        count: What its message_id says.
        run: Of the handler, in this process.
        session: The session's id.
    """
    return _RECORD.pack(client, number, count, run, _short(session))


def _short(session: str) -> int:
    return int(session[:16], 16)


class Arrivals:
    """Messages that have to arrive once and in order, numbered from 1.

    Attributes:
        count: How many have arrived.
        twice: How many of them had arrived before.
        disordered: How many have arrived after a later one.
    """

    def __init__(self) -> None:
        self.count = 0
        self.twice = 0
        self.disordered = 0
        self._next = 1
        self._missing: set[int] = set()

    def add(self, number: int) -> None:
        """One has arrived."""
        self.count += 1
        if number >= self._next:
            self._missing.update(range(self._next, number))
            self._next = number + 1
        elif number in self._missing:
            self._missing.remove(number)
            self.disordered += 1
        else:
            self.twice += 1

    def lost(self, sent: int) -> int:
        """How many of ``sent`` ones have not arrived."""
        return len(self._missing) + max(0, sent - self._next + 1)


@dataclasses.dataclass
class Account:
    """What a client says at the end.

    Attributes:
        client: Its number.
        sent: How many messages it has sent.
        confirmed: How many were confirmed.
        dropped: How many were dropped.
        answers: How many answers have arrived; and of these,
        twice: how many again,
        disordered: after a later one;
        lost: how many have not arrived.
        end: Why it has ended, if by itself.
    """

    client: int
    sent: int
    confirmed: int
    dropped: int
    answers: int
    twice: int
    disordered: int
    lost: int
    end: str | None = None


@dataclasses.dataclass
class _Run:
    """What one run of a handler has received of one client: all from the first to the last."""

    first: int
    last: int
    session: int


class Journal:
    """What the handlers of all processes have received.

    Attributes:
        count: How many messages.
        twice: How many came again in the same run of a handler, which is never allowed.
        disordered: How many were not the next one of their run.
        renamed: How many had a message_id that does not tell their number, or another session.
    """

    def __init__(self) -> None:
        self.count = 0
        self.twice = 0
        self.disordered = 0
        self.renamed = 0
        self._runs: dict[int, dict[tuple[str, int], _Run]] = {}
        self._sessions: set[int] = set()

    def read(self, process: str, data: bytes) -> None:
        """Takes what a process has written; it may have been killed while it wrote."""
        whole = len(data) - len(data) % _RECORD.size
        for client, number, count, run, session in _RECORD.iter_unpack(data[:whole]):
            self._add(process, client, number, count, run, session)

    def _add(
        self, process: str, client: int, number: int, count: int, run: int, session: int
    ) -> None:
        self.count += 1
        self._sessions.add(session)
        runs = self._runs.setdefault(client, {})
        if number != count or any(other.session != session for other in runs.values()):
            self.renamed += 1
        known = runs.get((process, run))
        if known is None:
            runs[process, run] = _Run(number, number, session)
        elif number == known.last + 1:
            known.last = number
        elif known.first <= number <= known.last:
            self.twice += 1
        else:
            self.disordered += 1
            known.last = max(known.last, number)

    def knows(self, session: str) -> bool:
        """Whether messages of this session were received."""
        return _short(session) in self._sessions

    def again(self) -> int:
        """How many came again in another run, as nobody was done with them: that is allowed."""
        return sum(self._again(runs.values()) for runs in self._runs.values())

    def lost(self, client: int, sent: int) -> int:
        """How many of a client's messages no handler has received."""
        covered = sum(end - start for start, end in _union(self._runs.get(client, {}).values()))
        return sent - covered

    @staticmethod
    def _again(runs: Iterable[_Run]) -> int:
        runs = list(runs)
        total = sum(run.last + 1 - run.first for run in runs)
        return total - sum(end - start for start, end in _union(runs))


def _union(runs: Iterable[_Run]) -> Iterator[tuple[int, int]]:
    """The ranges of numbers in any of the runs."""
    start = end = 1
    for run in sorted(runs, key=lambda run: run.first):
        if run.first > end:
            yield start, end
            start = end = run.first
        end = max(end, run.last + 1)
    yield start, end


@dataclasses.dataclass
class Balance:
    """Both accounts beside each other; true if they are equal, and nothing was lost.

    Attributes:
        sent: By clients.
        confirmed: To clients.
        handled: By handlers, without what came again.
        again: To another run of a handler, with the same message_id, which is allowed.
        answers: That have arrived at clients.
        problems: What is wrong, and how often.
    """

    sent: int
    confirmed: int
    handled: int
    again: int
    answers: int
    problems: dict[str, int]

    def __bool__(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return dataclasses.asdict(self)


def balance(accounts: Iterable[Account], journal: Journal, clients: int) -> Balance:
    """Compares what clients say with what the handlers of all servers have written."""
    accounts = list(accounts)

    def total(name: str) -> int:
        return sum(getattr(account, name) for account in accounts)

    again = journal.again()
    found = {
        "clients without an account": clients - len(accounts),
        "sessions that ended by themselves": sum(account.end is not None for account in accounts),
        "client's messages lost": sum(journal.lost(one.client, one.sent) for one in accounts),
        "client's messages twice in one run": journal.twice,
        "client's messages out of order": journal.disordered,
        "client's messages with another message_id": journal.renamed,
        "client's messages not confirmed": total("sent") - total("confirmed"),
        "client's messages dropped": total("dropped"),
        "server's messages lost": total("lost"),
        "server's messages twice": total("twice"),
        "server's messages out of order": total("disordered"),
    }
    return Balance(
        sent=total("sent"),
        confirmed=total("confirmed"),
        handled=journal.count - again,
        again=again,
        answers=total("answers"),
        problems={what: count for what, count in found.items() if count},
    )
