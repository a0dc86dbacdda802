"""The results as an SVG: for each case a group of horizontal bars, one a peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

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
    names = ("chromium", "pyodide", "@pyscript/core", "partysocket")
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
