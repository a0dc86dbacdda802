"""The settings of all sessions of one handler."""

from __future__ import annotations

import dataclasses

from readystate.session.control import Window

from .stats import StoreHealth
from .store import Store

__all__ = ["Settings"]

_LEASE = 1.5
"""How long to keep a record, in units of ``expires``; it is renewed after half a unit."""
_POSITIVE = (
    "expires",
    "max_unconfirmed",
    "max_unconfirmed_bytes",
    "max_pending",
    "max_pending_bytes",
    "max_message",
    "max_sessions",
    "handshake_timeout",
    "ack_timeout",
    "close_timeout",
    "connect_rate",
    "resume_burst",
    "unknown_burst",
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of all sessions; see :class:`Sessions`.

    Raises:
        ValueError: A value is out of range.
    """

    store: Store
    expires: float
    window: Window
    max_unconfirmed: int
    max_unconfirmed_bytes: int
    max_pending: int
    max_pending_bytes: int
    max_message: int
    max_sessions: int
    handshake_timeout: float
    ack_timeout: float
    close_timeout: float
    connect_rate: float
    resume_burst: int
    resume_rate: float
    unknown_burst: int
    unknown_rate: float
    store_health: StoreHealth = dataclasses.field(default_factory=StoreHealth)

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            _check(name, getattr(self, name), getattr(self, name) > 0, "more than 0")
        _check("window", self.window.messages, self.window.messages > 0, "more than 0")
        _check("window_bytes", self.window.size, self.window.size > 0, "more than 0")
        for name in ("resume_rate", "unknown_rate"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")

    @property
    def lease(self) -> float:
        """How long the store keeps a record that is not renewed, in seconds."""
        return self.expires * _LEASE


def _check(name: str, value: float, is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(f"{name}={value!r} must be {what}")
