"""What all sessions of one handler have in common."""

from __future__ import annotations

import dataclasses

from readystate.session.control import Window

from .store import Store

__all__ = ["Settings"]

_LEASE = 1.5
"""For how long a record is kept, in units of ``expires``; it is renewed after half a unit."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all sessions have in common; :class:`Sessions` says what it means."""

    store: Store
    expires: float
    window: Window
    max_unconfirmed: int
    max_unconfirmed_bytes: int
    max_pending: int
    max_pending_bytes: int
    max_message: int
    ack_timeout: float
    close_timeout: float
    resume_burst: int
    resume_rate: float

    @property
    def lease(self) -> float:
        """For how many seconds the store keeps what nobody renews."""
        return self.expires * _LEASE
