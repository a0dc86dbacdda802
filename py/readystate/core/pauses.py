"""How often to poll ``bufferedAmount``, for which there is no event. Pure logic."""

from __future__ import annotations

_LONGEST = 0.05


class Pauses:
    """The time between two polls of one socket.

    While the number falls, it is polled in each turn of the event loop, so that a fast peer never
    waits; while it does not, less and less often.
    """

    def __init__(self) -> None:
        self._before: int | None = None
        self._pause = 0.0

    def next(self, amount: int) -> float:
        """Returns how long to wait after seeing ``amount``, in seconds."""
        fell = self._before is None or amount < self._before
        self._before = amount
        self._pause = 0.0 if fell else min(_LONGEST, 2 * self._pause or 0.001)
        return self._pause
