"""Outboxes, and a clock that a test moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from readystate.core.outbox import Outbox


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += seconds


def make_outbox(**options: Any) -> Outbox:
    """One without limits, but for those that are given."""
    limits = ("max_pending", "max_pending_bytes", "max_unconfirmed", "max_unconfirmed_bytes")
    defaults = {**dict.fromkeys(limits), "on_full": "raise", "in_doubt": "resend"}
    return Outbox(**{**defaults, **options})
