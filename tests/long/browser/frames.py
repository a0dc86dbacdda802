"""How often a page draws: recorded in the page, told to the test. Times are in milliseconds."""

from __future__ import annotations

from playwright.sync_api import Page

# Whoever asks for frames, each is recorded; while `held`, the page gets none, as in a hidden tab.
RECORD = """
    window.frameTimes = [];
    window.held = false;
    const native = requestAnimationFrame;
    window.requestAnimationFrame = (callback) => native(function frame(now) {
      held ? native(frame) : callback(now);
    });
    native(function record(now) {
      frameTimes.push(now);
      native(record);
    });
"""
BUSY = 60_000
"""How long a busy machine may take."""


def record_frames(page: Page) -> None:
    """From the next navigation on."""
    page.add_init_script(RECORD)


def now(page: Page) -> float:
    """The time in the page."""
    time: float = page.evaluate("performance.now()")
    return time


def idle_rate(page: Page) -> float:
    """How many frames a second there are, measured over two, while the page does nothing."""
    start = now(page)
    page.wait_for_function("start => performance.now() > start + 2000", arg=start, timeout=BUSY)
    times = frame_times(page)
    return sum(start <= time < start + 2000 for time in times) / 2


def frame_times(page: Page) -> list[float]:
    """When there was a frame."""
    times: list[float] = page.evaluate("frameTimes")
    return times


def per(span: int, times: list[float], start: float, end: float) -> list[int]:
    """How many of the times are in each whole span from `start` to `end`."""
    begins = [start + span * number for number in range(int((end - start) / span))]
    return [sum(begin <= time < begin + span for time in times) for begin in begins]
