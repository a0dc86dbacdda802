"""How often to look at ``bufferedAmount``: no event tells when it falls. Pure logic."""

from __future__ import annotations

_LONGEST = 0.05


class Pauses:
    """The time between two looks at one socket, while somebody waits for it.

    As long as the number falls, it is looked at in each turn of the event loop, so that a fast peer
    never waits for us; while it stands still, ever more rarely.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        self._pause = 0.0

    def next(self, amount: int) -> float:
        """How long to wait now, in seconds, having seen ``amount``."""
        fell = self._before is None or amount < self._before
        self._before = amount
        self._pause = 0.0 if fell else min(_LONGEST, 2 * self._pause or 0.001)
        return self._pause
