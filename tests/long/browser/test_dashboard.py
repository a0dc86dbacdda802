"""The example that draws 1,000 points a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from readystate_server.lab import Server
from readystate_server.lab.endpoints import PERIOD, measurements
from readystate_server.testing import Console

from .conftest import BOOT, Look, PageAs, listen
from .frames import BUSY, frame_times, idle_rate, now, per, record_frames

ID = "dashboard"
COUNT = 6_000
FEW = 3_000
SHOWN = 5_000
# Each point that a curve goes through, as [time, x, y], both from 0 to 1; and each curve's time.
DRAWN = """
    window.drawn = [];
    window.strokes = [];
    const { lineTo, moveTo, stroke } = CanvasRenderingContext2D.prototype;
    const through = (native) => function (x, y) {
      drawn.push([performance.now(), x / this.canvas.width, y / this.canvas.height]);
      return native.call(this, x, y);
    };
    Object.assign(CanvasRenderingContext2D.prototype, {
      lineTo: through(lineTo),
      moveTo: through(moveTo),
      stroke() { strokes.push(performance.now()); return stroke.call(this); },
    });
"""


def open_dashboard(page: Page, server: Server, count: int, id: str) -> None:
    record_frames(page)
    page.add_init_script(DRAWN)
    page.goto(f"{server.url}/examples/dashboard.html?count={count}&id={id}")
    expect_end(page, count)


def expect_end(page: Page, count: int = COUNT) -> None:
    """The server has sent all, and all of it is told of."""
    expect(page.locator("#said")).to_have_text("The server has sent all.", timeout=BOOT)
    expect(page.locator("#total")).to_have_text(f"{count:,}", timeout=BUSY)


def start(page: Page) -> float:
    """Starts a run, and returns when that was."""
    page.evaluate("drawn.length = strokes.length = 0; total.textContent = ''")
    began = now(page)
    page.get_by_role("button", name="Start").click()
    return began


def points(page: Page) -> list[list[float]]:
    """What was drawn; where a curve goes on from the last one, the point is told once."""
    drawn: list[list[float]] = page.evaluate("drawn")
    return drawn[:1] + [after for before, after in pairwise(drawn) if after[1:] != before[1:]]


def assert_drawn(drawn: list[list[float]], numbers: range) -> None:
    values = measurements()
    assert [x for _, x, _ in drawn] == pytest.approx([n % SHOWN / SHOWN for n in numbers])
    assert [100 * (1 - y) for _, _, y in drawn] == pytest.approx(
        [float(values[number % PERIOD]) for number in numbers]
    )


@pytest.fixture(scope="module")
def dashboard(browser: Browser, server: Server) -> Iterator[tuple[Page, Console]]:
    """The page after its first run, and what its console has said."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    console = listen(page)
    open_dashboard(page, server, COUNT, ID)
    yield page, console
    page.close()


def test_each_point_that_was_sent_is_drawn(dashboard: tuple[Page, Console], server: Server) -> None:
    page, console = dashboard
    drawn = points(page)
    assert len(drawn) == server.journal(ID, closed=1)[-1]["sent"] == COUNT
    assert_drawn(drawn, range(COUNT))
    console.check()


def test_drops_no_frames(dashboard: tuple[Page, Console]) -> None:
    page, _ = dashboard
    idle = idle_rate(page)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        began = start(page)
        expect(page.locator("#points")).not_to_have_text("0", timeout=BUSY)
        expect_end(page)
        times = [time for time, _, _ in points(page)]
        seconds = list(
            zip(
                per(1000, frame_times(page), began, times[-1]),
                per(1000, times, began, times[-1]),
                strict=True,
            )
        )
        smooth = [frames >= 0.8 * idle and count >= 900 for frames, count in seconds]
        if any(both == (True, True) for both in pairwise(smooth)):
            return
    raise AssertionError(f"idle {idle} frames a second, else (frames, points): {seconds}")


def test_a_hidden_tab_does_not_grow(dashboard: tuple[Page, Console], server: Server) -> None:
    page, console = dashboard
    # From the start: a busy machine could draw too much before it is hidden.
    page.evaluate("held = true; drawn.length = 0; total.textContent = ''")
    page.get_by_role("button", name="Start").dispatch_event("click")
    expect(page.locator("#said")).to_have_text("The server has sent all.", timeout=BUSY)
    page.evaluate("drawn.length = 0; held = false")
    expect(page.locator("#total")).to_have_text(f"{COUNT:,}", timeout=BUSY)
    assert_drawn(points(page), range(COUNT - SHOWN, COUNT))
    console.check()


def test_stops(dashboard: tuple[Page, Console], server: Server) -> None:
    page, console = dashboard
    start(page)
    page.wait_for_function("drawn.length", timeout=BUSY)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start")).to_be_focused(timeout=BUSY)
    connections = len(server.journal(ID))
    ended = server.journal(ID, closed=connections)[-1]
    assert ended["close"] == {"code": 1000, "reason": "", "clean": True}
    console.check()


@pytest.mark.parametrize(("scheme", "motion"), [("light", "no-preference"), ("dark", "reduce")])
def test_fits(page_as: PageAs, look: Look, server: Server, scheme: Any, motion: Any) -> None:
    page = page_as(scheme, motion=motion)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        if width == 1280:
            open_dashboard(page, server, FEW, f"{ID}-{scheme}")
        else:
            start(page)
            expect_end(page, FEW)
        look(page, "dashboard", scheme)
    strokes: list[float] = page.evaluate("strokes")
    pauses = [after - before for before, after in pairwise(strokes)]
    assert (min(pauses) > 900) == (motion == "reduce")
