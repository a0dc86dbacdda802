"""Runs a case: all its peers in turn, again and again, so that noise meets all alike."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from playwright.sync_api import Error

from readystate_server.lab import Server

from . import measure
from .cases import Case, Target
from .measure import Metric, Sample
from .pages import Pages, Peer


@dataclass
class Result:
    """What a case's peers were measured at.

    Attributes:
        count: How many messages each sample was of.
        samples: Each peer's, in the order of the rounds.
        failures: Why a peer has none.
    """

    case: Case
    count: int
    samples: dict[Peer, list[Sample]] = field(default_factory=dict)
    failures: dict[Peer, str] = field(default_factory=dict)

    def values(self, peer: Peer, metric: Metric) -> list[float]:
        """What ``peer`` was measured at, round by round; empty if it was not."""
        samples = self.samples.get(peer, [])
        return [sample[metric.key] for sample in samples if metric.key in sample]

    def median(self, peer: Peer, metric: Metric) -> float | None:
        """The median of what ``peer`` was measured at."""
        values = self.values(peer, metric)
        return statistics.median(values) if values else None

    def ratio(self, peer: Peer, than: Peer, metric: Metric) -> float | None:
        """The median of the ratios of both peers in the same round."""
        pairs = zip(self.values(peer, metric), self.values(than, metric), strict=False)
        ratios = [value / other for value, other in pairs if other > 0]
        return statistics.median(ratios) if ratios else None

    def excess(self, peer: Peer, than: Peer, metric: Metric) -> float | None:
        """The median of the differences of both peers in the same round."""
        pairs = zip(self.values(peer, metric), self.values(than, metric), strict=False)
        differences = [value - other for value, other in pairs]
        return statistics.median(differences) if differences else None

    def reading(self, target: Target, subject: Peer) -> float | None:
        """What the target's limit is to be held against.

        The time instead of the main thread's, where a browser does not tell that.
        """
        metric = target.metric if self.values(subject, target.metric) else measure.TIME
        if target.than is None:
            return self.median(subject, target.metric)
        read = self.ratio if target.how == "times" else self.excess
        return read(subject, target.than, metric)

    def reached(self, target: Target, subject: Peer) -> bool | None:
        """Whether ``subject`` has reached the target; ``None`` if it could not be measured."""
        reading = self.reading(target, subject)
        return None if reading is None else reading <= target.limit


def run(case: Case, pages: Pages, server: Server, *, repeat: int, quick: bool) -> Result:
    """Measures each peer ``repeat`` times, if more than once after a round that only warms up."""
    result = Result(case, case.quick if quick else case.count)
    rounds = min(repeat, case.repeat or repeat)
    warm_ups = 1 if rounds > 1 else 0

    def take(peer: Peer) -> Sample:
        if case.fresh:
            with pages.fresh(peer) as page:
                return case.take(case, page, server, result.count)
        page = pages.page(peer)
        page.devtools.collect_garbage()
        return case.take(case, page, server, result.count)

    for number in range(warm_ups + rounds):
        for peer in case.peers:
            if peer in result.failures:
                continue
            try:
                sample = take(peer)
            except (Error, ValueError) as error:
                result.failures[peer] = _reason(error)
                result.samples.pop(peer, None)
            else:
                if number >= warm_ups:
                    result.samples.setdefault(peer, []).append(sample)
    return result


def _reason(error: Exception) -> str:
    # Playwright puts the page's stack below; a Python traceback ends with what it is about.
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith("at ")]
    is_traceback = any("Traceback (most recent" in line for line in lines)
    return lines[-1 if is_traceback else 0] if lines else type(error).__name__
