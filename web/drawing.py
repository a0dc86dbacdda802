"""Shapes of SVG, and the timeline of a socket made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import js
from race import Record, ticks

SVG = "http://www.w3.org/2000/svg"


def now() -> float:
    """The page's clock, in milliseconds."""
    return float(js.performance.now())


def shape(name: str, text: str = "", **attributes: object) -> Any:
    element = js.document.createElementNS(SVG, name)
    for attribute, value in attributes.items():
        element.setAttribute(attribute.strip("_").replace("_", "-"), str(value))
    element.textContent = text
    return element


def timeline(record: Record, until: float, span: float) -> Iterator[Any]:
    """The shapes of a timeline that ends at ``span``."""

    def x(time: float) -> str:
        return f"{min(time, span) / span:.3%}"

    def marks(name: str, times: Sequence[float], y: int) -> Iterator[Any]:
        for time in times:
            yield shape("use", href=f"#{name}", x=x(time), y=y)
        if len(times) > 1:
            # They may lie on each other.
            place = {"text_anchor": "end", "dx": -8} if times[-1] > 0.85 * span else {"dx": 8}
            many = f"\N{MULTIPLICATION SIGN}{len(times)}"
            yield shape("text", many, x=x(times[-1]), y=y + 4, **place)

    for state, start, end in record.bands(until):
        place: dict[str, Any] = {"x": x(start), "width": x(end - start), "y": 16, "height": 16}
        yield shape("rect", class_=state, **place)
        if state == "CONNECTING":
            yield shape("rect", fill="url(#hatch)", **place)
    if record.excepted is not None:
        yield from marks("exception", [record.excepted], 8)
    yield from marks("sent", [time for _, time in record.sent], 8)
    yield from marks("arrived", record.landed, 40)
    *others, last = ticks(span)
    for tick in (*others, last):
        anchor = "start" if tick == 0 else "end" if tick == last else "middle"
        label = f"{tick} ms" if tick == last else str(tick)
        yield shape("line", x1=x(tick), x2=x(tick), y1=33, y2=36)
        yield shape("text", label, x=x(tick), y=58, text_anchor=anchor)
