"""The results as an SVG: for each case a group of horizontal bars, one a peer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ..browsers import NAMES
from .bench import Result
from .report import number

WIDTH, MARGIN = 760, 24
BARS, BARS_END = 190, 560
"""Where the bars begin and where the longest one ends."""
BAR, STEP, HEAD, GAP = 14, 22, 26, 22
"""Heights: of a bar, from bar to bar, of a case's title, between cases."""

STYLE = """\
  svg { color-scheme: light dark; background: #fff; }
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 13px; }
  .small, .unit { fill: #59636e; font-size: 11px; }
  .label { text-anchor: end; }
  .inner { fill: #57606a; } .outer { fill: #c8ced5; }
  .own .inner { fill: #0b6bcb; } .own .outer { fill: #a9cff5; } .own .label { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .small, .unit { fill: #9198a1; }
    .inner { fill: #9aa4ae; } .outer { fill: #3d444d; }
    .own .inner { fill: #4aa3ff; } .own .outer { fill: #1c4a7c; }
  }"""


def svg(results: Sequence[Result], environment: Mapping[str, Any]) -> str:
    """The plot, as a document that also reads well on a dark background."""
    body: list[str] = []
    top = MARGIN
    for result in results:
        body.extend(_group(result, top))
        top += HEAD + STEP * len(result.case.peers) + GAP
    browser = next(name for name in NAMES if name in environment)
    names = (browser, "pyodide", "@pyscript/core", "partysocket")
    words = ", ".join(f"{name} {environment[name]}" for name in names)
    body.append(_text(MARGIN, top + 4, f"{words}; less is better", "small"))
    height = top + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}">',
            "<title>readystate against its peers</title>",
            f"<style>\n{STYLE}\n</style>",
            *body,
            "</svg>",
            "",
        )
    )


def _group(result: Result, top: float) -> Iterator[str]:
    case = result.case
    metrics = case.plotted or case.metrics
    unit = metrics[0].unit
    legend = " / ".join(metric.label for metric in metrics) + (f", {unit}" if unit else "")
    yield _text(MARGIN, top + 12, case.title_for(result.count), "title")
    yield _text(WIDTH - MARGIN, top + 12, legend, "unit label")
    values = {
        peer: [result.median(peer, metric) or 0.0 for metric in metrics] for peer in case.peers
    }
    longest = max((value for peer in values for value in values[peer]), default=0.0)
    for row, peer in enumerate(case.peers):
        y = top + HEAD + row * STEP
        yield f'<g class="{"own" if peer in case.subjects else "peer"}">'
        yield _text(BARS - 8, y + BAR - 3, peer.label, "label")
        if peer in result.failures:
            yield _text(BARS, y + BAR - 3, "failed", "small")
        else:
            yield from _bars(values[peer], longest, y)
        yield "</g>"


def _bars(values: Sequence[float], longest: float, y: float) -> Iterator[str]:
    """The bars of one peer: the largest behind, the first in front of it."""
    lengths = [max(0.0, value) / longest * (BARS_END - BARS) if longest else 0 for value in values]
    for name, length in (("outer", max(lengths)), ("inner", lengths[0])):
        yield (
            f'<rect class="{name}" x="{BARS}" y="{y}" width="{max(1.0, length):.1f}"'
            f' height="{BAR}" rx="2"/>'
        )
    words = " / ".join(number(value) for value in values)
    yield _text(BARS + max(lengths) + 8, y + BAR - 3, words)


def _text(x: float, y: float, words: str, name: str = "") -> str:
    attribute = f' class="{name}"' if name else ""
    return f'<text x="{x:g}" y="{y:g}"{attribute}>{escape(words)}</text>'


PEERS = {
    "JavaScript": "js",
    "JavaScript that reads": "reads",
    "PyScript WebSocket": "base",
    "WebSocket": "dom",
    "connect()": "own",
}
"""Who is in the chart, by a name for its marks."""

CHART_STYLE = """\
  svg { color-scheme: light dark; background: #fff; }
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .unit { fill: #59636e; font-size: 11px; }
  .label, .unit.end { text-anchor: end; } .middle { text-anchor: middle; }
  line { stroke: #d8dee4; } line.base { stroke: #59636e; }
  .js { fill: none; stroke: #59636e; } .reads { fill: #9aa4ae; } .base { fill: #59636e; }
  .dom { fill: #d2761a; } .own { fill: #0b6bcb; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; } .unit { fill: #9198a1; }
    line { stroke: #30363d; } line.base { stroke: #9198a1; }
    .js { stroke: #9198a1; } .reads { fill: #6e7781; } .base { fill: #9198a1; }
    .dom { fill: #f0983e; } .own { fill: #4aa3ff; }
  }"""


def chart(numbers: Mapping[str, Any]) -> str:
    """What ``report.as_json()`` returns as an SVG: a row of dots for each kind of message.

    They are the main thread's times as multiples of PyScript's, on a logarithmic scale.
    """
    base, left, right, step, top = "PyScript WebSocket", 200, WIDTH - 30, 26, 66
    cases = [
        case for case in numbers["cases"] if base in case["peers"] and "script" in case["units"]
    ]
    bottom = top + step * len(cases)

    def x(ratio: float) -> float:
        low, high = math.log10(0.01), math.log10(30)
        return left + (math.log10(ratio) - low) / (high - low) * (right - left)

    body = []
    place = MARGIN
    for label, name in PEERS.items():
        body.append(f'<circle class="{name}" cx="{place}" cy="20" r="5"/>')
        body.append(_text(place + 10, 24, label))
        place += 40 + 7 * len(label)
    for ratio in (0.01, 0.1, 0.3, 1, 3, 10):
        kind = ' class="base"' if ratio == 1 else ""
        body.append(
            f'<line{kind} x1="{x(ratio):.1f}" x2="{x(ratio):.1f}" y1="{top - 14}" y2="{bottom}"/>'
        )
        body.append(_text(x(ratio), top - 20, f"{ratio:g}", "unit middle"))
    for row, case in enumerate(cases):
        y = top + step * row + 8
        title = re.sub(r"[\d,]+ (\w+) messages of ", r"\1, ", case["title"], count=1)
        body.append(_text(left - 12, y + 4, title, "label"))
        script = {name: peer["median"].get("script") for name, peer in case["peers"].items()}
        for label, name in PEERS.items():
            if script.get(label) and script[base]:
                ratio = script[label] / script[base]
                body.append(
                    f'<circle class="{name}" cx="{x(ratio):.1f}" cy="{y}" r="5">'
                    f"<title>{escape(label)}: {ratio:.2f}</title></circle>"
                )
    words = "the main thread's time in JavaScript and Python, in times of PyScript's class"
    body.append(_text(right, bottom + 18, words, "unit end"))
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}">',
            "<title>readystate beside PyScript's class and JavaScript</title>",
            f"<style>\n{CHART_STYLE}\n</style>",
            *body,
            "</svg>",
            "",
        )
    )
