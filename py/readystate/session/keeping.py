"""Keeps a client's session for the next page of this tab."""

from __future__ import annotations

import time
from collections.abc import Callable

from .._host import NativeError, Timer, python_error, restore, save
from ..core.handlers import report
from ..exceptions import DOMException
from .snapshot import Snapshot

_STORAGE_ERRORS = (NativeError, DOMException)
MOST_BYTES = 2**20
"""How many bytes to keep of waiting and of unconfirmed messages: browsers store a few megabytes for
all pages of an origin together.
"""

_SHARE = 10
"""While the page is hidden, keeping takes at most one part in this of the time."""


class Keeping:
    """Keeps a session when the page is hidden or left, and after changes while it is hidden.

    A hidden page may be frozen and discarded, or its process killed, without notice.

    Args:
        key: The storage key.
        take: Returns what to keep; ``None`` for nothing.
        describe: Returns the name of the session's owner, for error reports.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        key: str,
        take: Callable[[], Snapshot | None],
        describe: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._take = take
        self._describe = describe
        self._clock = clock
        self._is_hidden = False
        self._is_left = False
        self._is_due = False
        self._not_before = 0.0
        self._timer: Timer | None = None

    def restore(self) -> Snapshot | None:
        """Takes what the previous page of this tab kept, so that a copied tab cannot take it too.

        Raises:
            RuntimeError: The browser has no storage for this page.
        """
        try:
            text = restore(self._key)
            save(self._key, None)
        except _STORAGE_ERRORS as error:
            reason = python_error(error)
            raise RuntimeError(
                f"persist= needs sessionStorage, which the browser denies this page ({reason}): an "
                "iframe with sandbox= needs allow-same-origin, or the visitor has blocked site "
                "data. Leave out persist=, or catch this"
            ) from reason
        return None if text is None else Snapshot.load(text)

    def on_page_event(self, type: str) -> bool:
        """Keeps or takes back the session. Returns whether another page has resumed it."""
        if type == "hidden":
            self._is_hidden = True
            self._keep()
        elif type == "pagehide":
            self._is_left = True
            self._keep()
        elif type == "pageshow" and self._is_left:
            self._is_left = self._is_hidden = False
            if self._was_taken():
                return True
            self._forget()
        elif type == "visible" and not self._is_left:
            self._is_hidden = False
            self._forget()
        return False

    def changed(self, *, at_once: bool = False) -> None:
        """Called after a change: keeps the session, now or soon after it was last kept."""
        if not (self._is_hidden or self._is_left):
            return
        wait = self._not_before - self._clock()
        if at_once or wait <= 0:
            self._keep()
            return
        self._is_due = True
        if self._timer is None:
            self._timer = Timer(wait, self._on_time)

    def catch_up(self) -> None:
        """Keeps the session now, if it has changed."""
        if self._is_due:
            self._keep()

    def stop(self) -> None:
        """Stops keeping, and removes what was kept."""
        if self._is_hidden or self._is_left:
            self._forget()
        self._is_hidden = self._is_left = False

    def _on_time(self) -> None:
        self._timer = None
        self.catch_up()

    def _keep(self) -> None:
        self._cancel_timer()
        self._is_due = False
        snapshot = self._take()
        if snapshot is None:
            return
        since = self._clock()
        count = total = len(snapshot.sent) + len(snapshot.waiting)
        while True:
            try:
                save(self._key, snapshot.first(count).dump())
                break
            except _STORAGE_ERRORS as error:
                reason = python_error(error)
                if not count:
                    report(f"The browser did not store {self._describe()}", reason)
                    return
                count //= 2  # What comes first first, and before all else the id.
        if count < total:
            report(
                f"The browser has room for the first {count:,} of {total:,} messages of "
                f"{self._describe()} only: the others are lost if the page does not return",
                reason,
            )
        now = self._clock()
        self._not_before = now + _SHARE * (now - since)

    def _was_taken(self) -> bool:
        snapshot = self._take()
        if snapshot is None or snapshot.session is None:
            return False
        try:
            return restore(self._key) is None
        except _STORAGE_ERRORS as error:
            report(f"The browser did not restore {self._describe()}", python_error(error))
            return False

    def _forget(self) -> None:
        self._cancel_timer()
        self._is_due = False
        try:
            save(self._key, None)
        except _STORAGE_ERRORS as error:
            report(f"The browser did not remove {self._describe()}", python_error(error))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
