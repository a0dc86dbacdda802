"""How deep a queue was over the last minute, drawn as SVG, with its states and what broke it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drawing import now, shape
from words import plural

from readystate import State

SPAN = 60.0
"""Seconds that the plot shows."""
TOPS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""Messages at the top of the plot."""


@dataclass(frozen=True)
class Sample:
    """How deep the queue was at a time."""

    time: float
    waiting: int
    unconfirmed: int


@dataclass
class History:
    """What the plot shows; times are the page's, in seconds."""

    samples: deque[Sample] = field(default_factory=deque)
    states: deque[tuple[State, float]] = field(default_factory=deque)
    marks: deque[tuple[str, float]] = field(default_factory=deque)

    def add(self, sample: Sample) -> None:
        """Adds a sample, and forgets what is too old to be seen."""
        self.samples.append(sample)
        since = sample.time - SPAN
        # One of each stays that reaches in from the left.
        while len(self.samples) > 1 and self.samples[1].time < since:
            self.samples.popleft()
        while len(self.states) > 1 and self.states[1][1] < since:
            self.states.popleft()
        while self.marks and self.marks[0][1] < since:
            self.marks.popleft()


class Plot:
    """The depth of the queue over time, with the states and the faults."""

    TOP, BOTTOM, BAND = 20, 104, 110
    """Where the depth begins and ends, and where the states begin."""

    def __init__(self, svg: Any) -> None:
        self.svg = svg
        box = {"viewBox": f"0 0 {SPAN:g} 1", "preserveAspectRatio": "none"}
        place = {"x": 0, "y": self.TOP, "width": "100%", "height": self.BOTTOM - self.TOP}
        area = shape("svg", **place, **box)
        self.areas = {name: shape("path", class_=name) for name in ("unconfirmed", "waiting")}
        area.append(*self.areas.values())
        self.top = shape("text", x=0, y=self.TOP - 6)
        self.moving = shape("g")
        lines = [
            shape("line", x1=0, x2="100%", y1=y, y2=y, class_="rule")
            for y in (self.TOP, self.BOTTOM)
        ]
        ticks = [
            shape("text", text, x=f"{x}%", y=142, text_anchor=anchor)
            for text, x, anchor in (
                (f"{SPAN:g} s ago", 0, "start"),
                (f"{SPAN / 2:g} s", 50, "middle"),
                ("now", 100, "end"),
            )
        ]
        svg.replaceChildren(area, *lines, self.top, *ticks, self.moving)

    def draw(self, history: History) -> None:
        time = seconds()
        samples = history.samples
        deepest = max((sample.waiting + sample.unconfirmed for sample in samples), default=0)
        top = next((top for top in TOPS if top >= deepest), TOPS[-1])
        self.top.textContent = plural(top)
        for name, lower, upper in (
            ("unconfirmed", "", "unconfirmed"),
            ("waiting", "unconfirmed", "both"),
        ):
            self.areas[name].setAttribute("d", outline(samples, time, top, lower, upper))
        self.moving.replaceChildren(*self.bands(history, time), *self.marks(history, time))

    def bands(self, history: History, time: float) -> Iterator[Any]:
        """The states."""
        states = list(history.states)
        ends = [start for _, start in states[1:]] + [time]
        for (state, start), end in zip(states, ends, strict=True):
            left, right = share(start, time), share(end, time)
            place = {"x": f"{left:.2%}", "width": f"{right - left:.2%}", "y": self.BAND}
            yield shape("rect", class_=str(state), height=14, **place)
            if state is State.CONNECTING:
                yield shape("rect", fill="url(#hatch)", height=14, **place)

    def marks(self, history: History, time: float) -> Iterator[Any]:
        """The faults; their names as far as there is room."""
        free = 0.0
        for name, when in history.marks:
            x = share(when, time)
            yield shape(
                "line", x1=f"{x:.2%}", x2=f"{x:.2%}", y1=4, y2=self.BAND + 14, class_="fault"
            )
            is_late = x > 0.8
            if x - 0.2 * is_late >= free:
                anchor, dx = ("end", -4) if is_late else ("start", 4)
                yield shape("text", name, x=f"{x:.2%}", dx=dx, y=self.TOP - 6, text_anchor=anchor)
                free = x + 0.2 * (not is_late)

    def describe(self, history: History) -> None:
        """The plot in words."""
        last, deepest = history.samples[-1], max(sample.waiting for sample in history.samples)
        label = (
            f"Queue depth: {plural(last.waiting)} waiting, at most {deepest:,} in the last minute; "
            f"{last.unconfirmed:,} unconfirmed"
        )
        self.svg.setAttribute("aria-label", label)


def share(time: float, end: float) -> float:
    """Where a time is in the plot that ends at ``end``: from 0 to 1."""
    return min(1.0, max(0.0, 1 - (end - time) / SPAN))


def outline(samples: Sequence[Sample], end: float, top: int, lower: str, upper: str) -> str:
    """The path around what is between two depths."""

    def points(name: str, samples: Any) -> list[str]:
        found = []
        for sample in samples:
            depth = sample.unconfirmed if name else 0
            if name == "both":
                depth += sample.waiting
            found.append(f"{share(sample.time, end) * SPAN:.2f} {1 - depth / top:.4f}")
        return found

    if not samples:
        return ""
    return f"M{'L'.join(points(upper, samples) + points(lower, reversed(samples)))}Z"


def seconds() -> float:
    return now() / 1000
