"""How long messages take, in little memory. Pure logic."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping

_SMALLEST = 1e-4
_STEP = math.log(1.05)
"""Times are exact within 5 %."""

QUANTILES = (0.5, 0.99, 0.999)


def bucket(seconds: float) -> int:
    """The number of the bucket for a time."""
    return max(0, math.ceil(math.log(max(seconds, _SMALLEST) / _SMALLEST) / _STEP))


def longest(number: int) -> float:
    """The longest time in a bucket, in seconds."""
    return _SMALLEST * math.exp(_STEP * number)


def merged(counts: Iterable[Mapping[int, int]]) -> Counter[int]:
    """The buckets of several counts."""
    total: Counter[int] = Counter()
    for each in counts:
        total.update(each)
    return total


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """In how many seconds this share of the messages has arrived; ``None`` without any."""
    rest = share * sum(counts.values())
    if not rest:
        return None
    sums = itertools.accumulate(counts[number] for number in sorted(counts))
    return next(longest(n) for n, total in zip(sorted(counts), sums, strict=True) if total >= rest)


def summary(counts: Mapping[int, int]) -> dict[str, float | int | None]:
    """The usual quantiles in milliseconds, and how many there were."""
    result: dict[str, float | int | None] = {"count": sum(counts.values())}
    for share in QUANTILES:
        seconds = quantile(counts, share)
        result[f"p{100 * share:g}"] = None if seconds is None else round(1000 * seconds, 1)
    return result
