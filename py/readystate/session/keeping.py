"""Keeps a client's end of a session for the next page of this tab."""

from __future__ import annotations

import time
from collections.abc import Callable

from .._host import NativeError, Timer, python_error, restore, save
from ..core.handlers import report
from ..exceptions import DOMException
from .snapshot import Snapshot

_STORAGE_ERRORS = (NativeError, DOMException)
MOST_BYTES = 2**20
"""How much is kept of what waits, and of what is unconfirmed: browsers keep some megabytes for all
pages of an origin together."""

_SHARE = 10
"""While the page is hidden, this many times as long passes without keeping as keeping takes."""


class Keeping:
    """Keeps it when the page is hidden or left, and, while it is hidden, as things change.

    A page that is hidden may be frozen and discarded, or its process killed, without a word.

    Args:
        key: Under which name.
        take: Returns what is to be kept; ``None``: nothing any more.
        describe: Returns whose session it is, for reports.
        clock: Gives the time in seconds.
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
        """What the last page of this tab has left; from now on it is ours, also in a copied tab.

        Raises:
            RuntimeError: There is nowhere to keep a session here.
        """
        try:
            text = restore(self._key)
            save(self._key, None)
        except _STORAGE_ERRORS as error:
            reason = python_error(error)
            raise RuntimeError(
                "persist= cannot be had, as the browser does not let this page use sessionStorage "
                f"({reason}): an iframe with sandbox= needs allow-same-origin, and the visitor may "
                "have blocked what sites store. Leave out persist=, or catch this"
            ) from reason
        return None if text is None else Snapshot.load(text)

    def on_page_event(self, type: str) -> bool:
        """Keeps it, or lets go of it. Returns whether another page has gone on with it."""
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
        """What is kept is out of date: keeps it now, or, if that was done just now, soon."""
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
        """Keeps it now if it is out of date."""
        if self._is_due:
            self._keep()

    def stop(self) -> None:
        """There is nothing to be kept any more."""
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
                    report(f"The browser does not keep {self._describe()}", reason)
                    return
                count //= 2  # What comes first first, and before all else the id.
        if count < total:
            report(
                f"The browser has room for the first {count:,} of {total:,} messages of "
                f"{self._describe()} only: the others are lost if the page does not come back",
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
            report(f"The browser does not tell of {self._describe()}", python_error(error))
            return False

    def _forget(self) -> None:
        self._cancel_timer()
        try:
            save(self._key, None)
        except _STORAGE_ERRORS as error:
            report(f"The browser does not forget {self._describe()}", python_error(error))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
