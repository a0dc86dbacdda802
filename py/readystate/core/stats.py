"""What a queue has done so far, in numbers. Pure logic."""

from __future__ import annotations

import dataclasses

from .delivery import DropReason

__all__ = ["QueueStats"]


@dataclasses.dataclass(repr=False)
class QueueStats:
    """What a queue has done so far.

    ``accepted`` is the sum of ``confirmed``, ``dropped``, and what still waits or is unconfirmed.

    Attributes:
        accepted: The messages accepted.
        sent: How often a message was handed to a native socket.
        resent: How often of these it was not the first time.
        confirmed: The messages confirmed.
        dropped: The messages dropped, by reason.
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
