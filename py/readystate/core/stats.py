"""Statistics of a queue. Pure logic."""

from __future__ import annotations

import dataclasses

from .delivery import DropReason

__all__ = ["QueueStats"]


@dataclasses.dataclass(repr=False)
class QueueStats:
    """Statistics of a queue.

    ``accepted`` is the sum of ``confirmed``, ``dropped``, waiting and unconfirmed messages.

    Attributes:
        accepted: How many messages were accepted.
        sent: How many were given to a native socket, counting each time.
        resent: How many of these were sent again.
        confirmed: How many messages were confirmed.
        dropped: How many messages were dropped, by reason.
    """

    accepted: int = 0
    sent: int = 0
    resent: int = 0
    confirmed: int = 0
    dropped: dict[DropReason, int] = dataclasses.field(default_factory=dict)

    def _summary(self) -> str:
        dropped = f"{sum(self.dropped.values()):,} dropped"
        if self.dropped:
            dropped += f" ({', '.join(f'{n:,} {reason}' for reason, n in self.dropped.items())})"
        resent = f" ({self.resent:,} again)" if self.resent else ""
        return (
            f"{self.accepted:,} accepted, {self.sent:,} sent{resent}, "
            f"{self.confirmed:,} confirmed, {dropped}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._summary()}>"
