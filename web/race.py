"""What happened to the sockets in the race, and what that means. Times are in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from words import milliseconds, plural

from readystate import DOMException

LATE = 50.0
"""After open; nobody would call that at once."""
SLEEP = 1000.0
"""What the second way waits for."""
SHORTEST = 1200.0
"""What a timeline shows at least."""
STEPS = (200, 500, 1000, 2000, 5000, 10_000)


@dataclass
class Record:
    """What happened to one socket; times are since it was made."""

    id: str
    messages: Sequence[str]
    """Those that were to be sent."""
    states: list[tuple[str, float]] = field(default_factory=list)
    sent: list[tuple[str, float]] = field(default_factory=list)
    arrived: list[tuple[str, float]] = field(default_factory=list)
    exception: Exception | None = None
    excepted: float | None = None
    """When send() was called that raised."""

    @property
    def opened(self) -> float | None:
        return next((time for state, time in self.states if state == "OPEN"), None)

    @property
    def is_closed(self) -> bool:
        return bool(self.states) and self.states[-1][0] == "CLOSED"

    @property
    def wasted(self) -> float | None:
        """From the open event to the first message sent."""
        if self.opened is None or not self.sent:
            return None
        return self.sent[0][1] - self.opened

    @property
    def landed(self) -> list[float]:
        """When the messages arrived, on the page's clock.

        The server's begins when the request reaches it: later, by at least what makes a message
        arrive after it was sent.
        """
        if not (self.sent and self.arrived):
            return []
        later = max(0, self.sent[0][1] - self.arrived[0][1])
        return [time + later for _, time in self.arrived]

    @property
    def after_open(self) -> float | None:
        """From the open event to the first arrival."""
        if self.opened is None or not self.landed:
            return None
        return self.landed[0] - self.opened

    @property
    def lost(self) -> int:
        """How many of the messages have not arrived."""
        return max(0, len(self.messages) - len(self.arrived))

    def bands(self, until: float) -> Iterator[tuple[str, float, float]]:
        """Each state with the times of its beginning and end."""
        ends = [time for _, time in self.states[1:]] + [until]
        for (state, start), end in zip(self.states, ends, strict=False):
            yield state, start, max(start, end)


def verdict(record: Record) -> tuple[str, str]:
    """How it went: "good", "late" or "failed", and why, in a sentence."""
    count = len(record.messages)
    lost = "The message is lost" if count == 1 else f"{record.lost} of {count} messages are lost"
    if isinstance(record.exception, DOMException):
        raised, opened = record.excepted or 0, record.opened
        then = "did not open" if opened is None else f"opened {milliseconds(opened - raised)} later"
        return "failed", (
            f"{lost}. The socket was still CONNECTING {milliseconds(raised)} after it was made; it "
            f"{then}."
        )
    if record.exception is not None:
        return "failed", f"{lost}. {type(record.exception).__name__}: {record.exception}."
    if [data for data, _ in record.arrived] != list(record.messages):
        return "failed", f"{lost} or in disorder, and no exception said so."
    arrived = (
        "The message arrived" if count == 1 else f"{count} of {count} messages arrived in order"
    )
    wasted = record.wasted or 0
    if wasted > LATE:
        return "late", f"{arrived}, {milliseconds(wasted)} late. The socket was open all that time."
    return "good", f"{arrived}, sent {milliseconds(wasted)} after open."


OUTCOMES = {"good": "on time", "late": "late", "failed": "fails"}
"""How it went, from the best to the worst, in a word or two."""


def result(records: Sequence[Record]) -> tuple[str, dict[str, str]]:
    """The row of one way, or of several: how the worst of them went, and its fields."""
    worst = max((verdict(record)[0] for record in records), key=list(OUTCOMES).index)
    times = [record.after_open for record in records if record.after_open is not None]
    have_all = len(times) == len(records)
    after_open = milliseconds(max(times) if have_all else None)
    lost, count = sum(record.lost for record in records), sum(len(r.messages) for r in records)
    return worst, {
        "outcome": OUTCOMES[worst],
        "after_open": f"{after_open} at most" if have_all and len(times) > 1 else after_open,
        "lost": f"{lost} of {count}",
    }


def together(records: Sequence[Record]) -> str:
    """What several ways have come to that do the same."""
    late = [record for record in records if verdict(record)[0] != "good"]
    if late:
        return verdict(late[0])[1]
    count = sum(len(record.messages) for record in records)
    wasted = [record.wasted or 0 for record in records]
    return (
        f"All {count} messages arrived in order, sent {milliseconds(max(wasted))} after open at "
        f"most. The {len(records)} ways differ by {milliseconds(max(wasted) - min(wasted))}."
    )


def moral(records: Sequence[Record]) -> str:
    """What the race has shown: of the second way against those that ask the socket."""
    sleeping, *others = records[1:]
    prompt = sum(verdict(record)[0] == "good" for record in others)
    asking = (
        f"The {prompt} ways that ask the socket lost nothing and wasted nothing."
        if prompt == len(others)
        else f"Of the ways that ask the socket, {prompt} of {len(others)} were on time."
    )
    opened, wasted = sleeping.opened or 0, sleeping.wasted
    if sleeping.exception is not None:
        sleep = (
            f"A second was too short: the socket opened after {milliseconds(opened)}, and sleep(1) "
            f"lost {plural(sleeping.lost)}."
        )
    else:
        sleep = f"A second was too long: sleep(1) wasted {milliseconds(wasted)} of it."
    return f"{sleep} {asking}"


def describe(record: Record, until: float) -> str:
    """A timeline in words."""
    parts = [
        f"{state} from {start:.0f} to {end:.0f} milliseconds"
        for state, start, end in record.bands(until)
    ]
    if record.excepted is not None:
        parts.append(f"exception at {record.excepted:.0f}")
    parts += [f"message sent at {time:.0f}" for _, time in record.sent]
    parts += [f"message arrived at {time:.0f}" for time in record.landed]
    return "Timeline: " + ", ".join(parts)


def kept_open(delay: float) -> float:
    """Until when the sockets stay open, so that their timelines can be compared."""
    return max(SLEEP, delay) * 1.1 + 50


def span(records: Sequence[Record], delay: float) -> float:
    """What the timelines show: all of them the same, and all that happened."""
    events = [time for record in records for _, time in (*record.states, *record.sent)]
    return max([SHORTEST, 1.05 * kept_open(delay), *(1.05 * time for time in events)])


def ticks(span: float, most: int = 6) -> range:
    """Round numbers from 0 to ``span``, in so many steps at most."""
    step = next((step for step in STEPS if span / step <= most), STEPS[-1])
    return range(0, int(span) + 1, step)
