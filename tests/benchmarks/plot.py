"""The results as an SVG: for each kind of message a row of dots, one a peer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from . import report

WIDTH, MARGIN = 760, 24

PEERS = {
    "JavaScript": "js",
    "JavaScript that reads": "reads",
    "PyScript WebSocket": "base",
    "WebSocket": "dom",
    "connect()": "own",
}
"""Who is in the chart, by a name for its marks."""

STYLE = """\
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
    """What ``report.as_json()`` returns, as a document that also reads well on a dark background.

    The dots are the main thread's times as multiples of PyScript's, on a logarithmic scale.
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
        body.append(_text(left - 12, y + 4, report.short(case["title"]), "label"))
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
            f"<style>\n{STYLE}\n</style>",
            *body,
            "</svg>",
            "",
        )
    )


def _text(x: float, y: float, words: str, name: str = "") -> str:
    attribute = f' class="{name}"' if name else ""
    return f'<text x="{x:g}" y="{y:g}"{attribute}>{escape(words)}</text>'
