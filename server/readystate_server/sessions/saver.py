"""Saves a session in the background, and renews its record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from readystate.core.backoff import Backoff

from .settings import Settings
from .store import Fenced, Message

__all__ = ["Progress", "Saver"]

_PAUSES = Backoff(0.1, 2.0, jitter=0.5)
"""The pauses between attempts to save: the longest delays what waits when the store is back."""


class Progress(NamedTuple):
    """The progress of a session."""

    done: int
    """How many messages are done."""
    done_size: int
    """Their total size."""
    confirmed: int
    """How many outgoing messages the client has confirmed."""
    connection: int
    """The number of the client's connection."""


class Saver:
    """Saves changes; those that arrive while it saves are saved together.

    Args:
        settings: The settings of all sessions.
        key: The session's key.
        epoch: The holder's epoch.
        stored: How many outgoing messages were stored.
        progress: Returns the session's progress.
        on_saved: Called with what was saved, and whether that included outgoing messages.
        on_fenced: Called when another process has the session.

    Attributes:
        stored: How many outgoing messages were stored.
    """

    def __init__(
        self,
        settings: Settings,
        key: str,
        epoch: int,
        stored: int,
        *,
        progress: Callable[[], Progress],
        on_saved: Callable[[Progress, bool], None],
        on_fenced: Callable[[], None],
    ) -> None:
        self.stored: int = stored
        self._settings = settings
        self._key = key
        self._epoch = epoch
        self._progress = progress
        self._on_saved = on_saved
        self._on_fenced = on_fenced
        # The messages after those that are stored.
        self._unsaved: list[Message] = []
        self._is_dirty = False
        self._is_lease_due = False
        self._is_stopped = False
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._lease_timer = self._loop.call_later(settings.expires / 2, self._renew)

    @property
    def accepted(self) -> int:
        """How many outgoing messages were accepted."""
        return self.stored + len(self._unsaved)

    def add(self, message: Message) -> None:
        """Adds an outgoing message."""
        self._unsaved.append(message)
        self.save_soon()

    def save_soon(self) -> None:
        """Schedules saving, after a change."""
        if self._is_stopped:
            return
        self._is_dirty = True
        if self._task is None:
            self._task = asyncio.create_task(self._save_all())

    async def keep(self, connection: int) -> None:
        """Renews the lease, and saves the number of the connection.

        Raises:
            Fenced: Another process has the session.
        """
        settings = self._settings
        await settings.store.keep(self._key, self._epoch, connection, settings.lease)
        self._is_lease_due = False
        self._lease_timer.cancel()
        if not self._is_stopped:
            self._lease_timer = self._loop.call_later(settings.expires / 2, self._renew)

    def stop(self) -> None:
        """Stops saving."""
        self._is_stopped = True
        self._lease_timer.cancel()
        self._unsaved.clear()

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until nothing is being saved, at most ``timeout`` seconds."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout)

    def _renew(self) -> None:
        self._is_lease_due = True
        self.save_soon()

    async def _save_all(self) -> None:
        """Saves until there are no more changes."""
        pauses = _PAUSES.delays()
        try:
            while self._is_dirty and not self._is_stopped:
                self._is_dirty = False
                try:
                    await self._save()
                    self._settings.store_health.worked()
                    pauses = _PAUSES.delays()
                except Fenced:
                    self._on_fenced()
                except Exception as error:
                    self._settings.store_health.failed(error)
                    self._is_dirty = True
                    await asyncio.sleep(next(pauses))
        finally:
            self._task = None

    async def _save(self) -> None:
        if self._is_lease_due:
            await self.keep(self._progress().connection)
        progress = self._progress()
        messages = self._unsaved.copy()
        await self._settings.store.save(
            self._key,
            self._epoch,
            done=progress.done,
            confirmed=progress.confirmed,
            first=self.stored + 1,
            messages=messages,
        )
        if self._is_stopped:
            return
        del self._unsaved[: len(messages)]
        self.stored += len(messages)
        self._on_saved(progress, bool(messages))
