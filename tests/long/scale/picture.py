"""A run as an SVG: panels over one time axis, with the faults behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from .report import most_connections

WIDTH, LEFT, RIGHT = 860, 70, 20
PANEL, GAP, HEAD = 96, 34, 66

COLORS = {
    "kill": "#d1242f",
    "kill-all": "#82071e",
    "stop": "#9a6700",
    "abort": "#bf3989",
    "half-open": "#8250df",
    "redis-kill": "#bc4c00",
    "redis-memory": "#e16f24",
    "deploy": "#1a7f37",
}

STYLE = """\
  svg { color-scheme: light dark; background: #fff; }
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 13px; }
  .small { fill: #59636e; font-size: 11px; }
  .axis { stroke: #d1d9e0; stroke-width: 1; }
  .line { fill: none; stroke: #0b6bcb; stroke-width: 1.3; stroke-linejoin: round; }
  .limit { stroke: #d1242f; stroke-width: 1; stroke-dasharray: 4 3; }
  .second { stroke: #1a7f37; } .third { stroke: #bc4c00; }
  .fault { opacity: .22; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; }
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .axis { stroke: #3d444d; }
    .line { stroke: #4aa3ff; } .second { stroke: #3fb950; } .third { stroke: #f0883e; }
    .fault { opacity: .4; }
  }"""


class Line(NamedTuple):
    """One line of a panel."""

    label: str
    values: Sequence[float]
    style: str = ""


class Panel(NamedTuple):
    """Lines with one scale, and perhaps a limit."""

    title: str
    lines: Sequence[Line]
    limit: float | None = None


def panels(seconds: dict[str, Sequence[float]], most: float) -> list[Panel]:
    """What is shown; ``most`` is how many connections a second there should be at most."""
    return [
        Panel("clients connected", [Line("", seconds["connected"])]),
        Panel("connections a second", [Line("", seconds["connections"])], most),
        Panel("attempts a second", [Line("", seconds["attempts"], "third")]),
        Panel(
            "messages",
            [
                Line("not confirmed", seconds["not confirmed"], "second"),
                Line("not answered", seconds["not answered"]),
            ],
        ),
        Panel(
            "memory in MiB",
            [
                Line("servers", seconds["servers MiB"]),
                Line("clients", seconds["clients MiB"], "second"),
                Line("Redis", seconds["redis MiB"], "third"),
            ],
        ),
    ]


def chart(
    title: str, times: Sequence[float], lines: dict[str, Sequence[float]], away: float
) -> str:
    """A panel for each line, with the time in which a server is away behind them."""
    fault = {"name": "kill", "detail": "away", "began": 0, "ended": away, "recovered": away}
    shown = [Panel(name, [Line("", values)]) for name, values in lines.items()]
    return _drawn(title, [_text(LEFT, 18, title, "title")], shown, times, [fault])


def svg(report: Mapping[str, Any]) -> str:
    """The picture, as a document that also reads well on a dark background."""
    seconds, plan, faults = report["seconds"], report["plan"], report["faults"]
    title = (
        f"{plan['clients']:,} clients, {plan['servers']} servers, {plan['store']}"
        f" ({plan['fsync']}), {plan['rate']:g} message/s each way a client, seed {plan['seed']}"
    )
    head = [_text(LEFT, 18, title, "title"), *_legend(faults)]
    shown = panels(seconds, most_connections(plan["clients"]))
    times = range(1, len(seconds["connected"]) + 1)
    return _drawn("Sessions under load and loss", head, shown, times, faults)


def _drawn(
    title: str,
    head: Sequence[str],
    shown: Sequence[Panel],
    times: Sequence[float],
    faults: Sequence[dict[str, Any]],
) -> str:
    """Panels, one below the other, over their faults and a time axis."""
    end = max(times, default=1)
    bottom = HEAD + (PANEL + GAP) * len(shown) - GAP
    body = [*head, *_faults(faults, end, HEAD, bottom)]
    for index, panel in enumerate(shown):
        body += _panel(panel, times, end, HEAD + index * (PANEL + GAP))
    body += _time_axis(end, bottom)
    return _document(title, body, bottom + 2 * GAP)


def _document(title: str, body: Sequence[str], height: float) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{STYLE}\n</style>",
            *body,
            "</svg>",
            "",
        )
    )


def _x(time: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * time / end


def _legend(faults: Sequence[dict[str, Any]]) -> Iterator[str]:
    x = float(LEFT)
    for name in dict.fromkeys(fault["name"] for fault in faults):
        yield f'<rect class="fault" x="{x:g}" y="28" width="12" height="12" fill="{COLORS[name]}"/>'
        yield _text(x + 16, 38, name, "small")
        x += 30 + 6.5 * len(name)


def _faults(
    faults: Sequence[dict[str, Any]], end: float, top: float, bottom: float
) -> Iterator[str]:
    for fault in faults:
        x = _x(fault["began"], end)
        width = max(1.5, _x(fault["recovered"] or fault["ended"], end) - x)
        yield (
            f'<rect class="fault" x="{x:.1f}" y="{top}" width="{width:.1f}"'
            f' height="{bottom - top}" fill="{COLORS[fault["name"]]}">'
            f"<title>{escape(fault['name'])}: {escape(fault['detail'])}</title></rect>"
        )


def _panel(panel: Panel, times: Sequence[float], end: float, top: float) -> Iterator[str]:
    values = [value for line in panel.lines for value in line.values]
    most = max([*values, 1 if panel.limit is None else 1.25 * panel.limit])
    base = top + PANEL - 10
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>'
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top}" y2="{top}"/>'
    yield _text(LEFT - 6, top + 4, f"{most:,.0f}", "small", "end")
    yield _text(LEFT - 6, base + 4, "0", "small", "end")
    if panel.limit is not None:
        y = base - (base - top) * panel.limit / most
        yield f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 6, y + 4, f"{panel.limit:,.0f}", "small", "end")
    x = float(LEFT)
    yield _text(x, top - 6, panel.title)
    x += 14 + 6.6 * len(panel.title)
    for line in panel.lines:
        if line.label:
            ends = f'x1="{x}" x2="{x + 14}" y1="{top - 10}" y2="{top - 10}"'
            yield f'<line class="line {line.style}" {ends}/>'
            yield _text(x + 18, top - 6, line.label, "small")
            x += 32 + 6 * len(line.label)
        points = " ".join(
            f"{_x(time, end):.1f},{base - (base - top) * value / most:.1f}"
            for time, value in zip(times, line.values, strict=True)
        )
        yield f'<polyline class="line {line.style}" points="{points}"/>'


def _time_axis(end: float, top: float) -> Iterator[str]:
    step = next((step for step in (10, 30, 60, 120, 300, 600) if end / step <= 9), 1200)
    unit, name = (60, "min") if step >= 60 else (1, "s")
    for time in range(0, int(end) + 1, step):
        words = f"{time // unit} {name}"
        yield _text(_x(time, end), top + 26, words, "small", "middle")


def _text(x: float, y: float, words: str, name: str = "", anchor: str = "") -> str:
    attributes = f' class="{name}"' if name else ""
    attributes += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(words)}</text>'
