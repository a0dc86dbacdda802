"""What is measured, and how: the main thread's time and the heap through the DevTools protocol."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

Sample = Mapping[str, float]
"""The values of one measurement by the metrics' keys."""


@dataclass(frozen=True)
class Metric:
    """One number that a sample holds."""

    key: str
    label: str
    unit: str


SCRIPT = Metric("script", "script", "µs a message")
TASK = Metric("task", "task", "µs a message")
MEDIAN = Metric("median", "median", "ms")
P99 = Metric("p99", "99th percentile", "ms")
START = Metric("start", "import", "ms")
THREAD = Metric("thread", "main thread", "ms")
OWN = Metric("own", "without the call", "ms")
HEAP = Metric("heap", "JavaScript", "KiB")
PYTHON = Metric("python", "Python", "KiB")
HELD = Metric("held", "proxies", "")
FLUSH = Metric("flush", "flush", "µs a message")
LOST = Metric("lost", "lost", "")
SILENT = Metric("silent", "silently", "")
REPORTED = Metric("reported", "reported", "")
TWICE = Metric("twice", "twice", "")
UNTOLD = Metric("untold", "code not told", "each")
ERRORS = Metric("errors", "page errors", "each")
PROXIES = Metric("proxies", "proxies left", "each")
TIME = Metric("time", "time", "µs a message")
SENDING = Metric("sending", "when sending", "%")
RECEIVING = Metric("receiving", "when receiving", "%")


@dataclass(frozen=True)
class MainThread:
    """The time that the main thread of a page has been busy, in seconds of its own clock.

    Attributes:
        script: Running JavaScript and WebAssembly, from events, timers and microtasks.
        microtasks: The part of it that ran in microtasks.
        task: All that it did, the browser's own part of each event included.
    """

    script: float
    microtasks: float
    task: float


class DevTools:
    """What a browser without the DevTools protocol tells of one page: nothing."""

    def main_thread(self, run: Callable[[], object]) -> MainThread | None:
        """What ``run``, which makes the page work and waits for it, costs the main thread."""
        run()
        return None

    def heap(self) -> float:
        """The bytes of JavaScript's heap that are in use after a collection."""
        raise ValueError("not measured in this browser")

    def collect_garbage(self, rounds: int = 1) -> None:
        """Has JavaScript's garbage collected."""


class ChromiumDevTools(DevTools):
    """The DevTools protocol of one page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        # The thread's clock stands still while another process has the processor.
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._trace: list[dict[str, Any]] = []
        self._traced = False
        self._session.on("Tracing.dataCollected", lambda data: self._trace.extend(data["value"]))
        self._session.on("Tracing.tracingComplete", self._on_traced)

    def main_thread(self, run: Callable[[], object]) -> MainThread:
        self._start_trace()
        try:
            before = self._metrics()
            run()
            after = self._metrics()
        finally:
            self._end_trace()
        script = after["ScriptDuration"] - before["ScriptDuration"]
        task = after["TaskDuration"] - before["TaskDuration"]
        microtasks = self._microtasks()
        return MainThread(script + microtasks, microtasks, task)

    def heap(self) -> float:
        self.collect_garbage(3)  # What a finalizer lets go of is garbage of the next round.
        return float(self._session.send("Runtime.getHeapUsage")["usedSize"])

    def collect_garbage(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self._session.send("HeapProfiler.collectGarbage")

    def _metrics(self) -> dict[str, float]:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}

    def _start_trace(self) -> None:
        self._trace.clear()
        self._traced = False
        self._session.send(
            "Tracing.start",
            {
                "transferMode": "ReportEvents",
                "traceConfig": {
                    "recordMode": "recordAsMuchAsPossible",
                    "includedCategories": ["v8.execute"],
                    "excludedCategories": ["*"],
                },
            },
        )

    def _end_trace(self) -> None:
        self._session.send("Tracing.end")
        while not self._traced:
            self._page.wait_for_timeout(5)

    def _microtasks(self) -> float:
        """The thread's time in microtasks during the trace, in seconds.

        ScriptDuration leaves them out, and all that Pyodide's event loop runs is run in them.
        """
        return sum(
            float(event.get("tdur", 0)) / 1e6
            for event in self._trace
            if event["name"] == "RunMicrotasks" and event["ph"] == "X"
        )

    def _on_traced(self, _: object) -> None:
        self._traced = True


def percentile(values: list[float], percent: int) -> float:
    """The value that ``percent`` of ``values`` do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
