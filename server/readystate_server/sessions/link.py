"""A connection of a session: its reader, its writer and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from readystate.core.delivery import Delivery
from readystate.session import control
from readystate.session.core import ServerCore

from .flag import Flag
from .settings import Settings
from .store import Message
from .transport import LOST, Transport, close_transport

__all__ = ["Link"]

_BATCH = 64
_CLOSE_FRAME_TIMEOUT = 1.0
"""Seconds to wait for a close frame when nothing more can be written."""
_NO_CLOSE_FRAME = 1006

_logger = logging.getLogger("readystate")


class _Session(Protocol):
    """The part of a session that a link uses."""

    _settings: Settings
    _core: ServerCore
    _wanted: int
    _progress: Flag

    @property
    def _stored(self) -> int: ...

    def _receive(self, message: Message) -> bool: ...
    def _acknowledge_with_message(self) -> None: ...
    def _disconnect(self, link: Link) -> None: ...


class Link:
    """A connection of a session: its reader, its writer and its end."""

    def __init__(self, session: _Session, transport: Transport, again: Sequence[Delivery]) -> None:
        self.transport = transport
        self._session = session
        self._settings = session._settings
        self._again = list(again)
        self._awake = Flag()
        self._is_sending = False
        # Since when the client's window has been full, and how many messages it had confirmed then.
        self._full_since: float | None = None
        self._confirmed = 0
        self._loop = asyncio.get_running_loop()
        # The code, the reason and the last controls of an end that this side has chosen.
        self._stopped: tuple[int, str, Sequence[str]] | None = None
        self._ending = Flag()

    def wake(self) -> None:
        """Wakes the writer."""
        self._awake.set()

    def stop(self, code: int, reason: str, farewell: Sequence[str] = ()) -> None:
        """Sends only ``farewell`` and a close frame from now on."""
        if self._stopped is None:
            self._stopped = code, reason, farewell
            self._ending.set()

    async def run(self) -> None:
        """Serves the connection to its end."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        for task in (reader, writer):
            task.add_done_callback(self._on_task_done)
        was_sending = False
        try:
            await self._ending.wait()
            if writer.done() and self._stopped is None:
                await asyncio.wait((reader,), timeout=_CLOSE_FRAME_TIMEOUT)
            was_sending = self._is_sending
        except asyncio.CancelledError:
            self.transport.abort()
            raise
        finally:
            reader.cancel()
            writer.cancel()
            self._session._disconnect(self)
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        if self._stopped is not None:
            code, reason, farewell = self._stopped
            await self._close(code, reason, () if was_sending else farewell)
        elif self.transport.close_code in (None, _NO_CLOSE_FRAME):
            self.transport.abort()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, LOST):
                raise result

    def _on_task_done(self, _: asyncio.Task[None]) -> None:
        self._ending.set()

    async def _close(self, code: int, reason: str, farewell: Sequence[str]) -> None:
        with contextlib.suppress(*LOST):
            await self._send(farewell)
        await close_transport(self.transport, code, reason, self._settings.close_timeout)

    async def _read(self) -> None:
        while (message := await self.transport.receive()) is not None:
            if self._stopped is not None:
                return
            if self._session._receive(message):
                self._awake.set()

    async def _write(self) -> None:
        while self._stopped is None:
            batch = self._next_batch()
            if batch:
                await self._send(batch)
                continue
            self._awake.clear()
            deadline = self._deadline()
            if deadline is None:
                await self._awake.wait()
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    await self._awake.wait()
            except TimeoutError:
                # The session is kept, as for a client that is gone.
                self.stop(control.TRY_AGAIN, "nothing was acknowledged for too long")
                _logger.info(
                    "%r: connection closed, as the client has acknowledged nothing for %g s "
                    "(ack_timeout) while its window was full; it can resume within %g s (expires)",
                    self._session,
                    self._settings.ack_timeout,
                    self._settings.expires,
                )

    async def _send(self, batch: Sequence[Message]) -> None:
        self._is_sending = True
        async with asyncio.timeout(self._settings.ack_timeout):
            for message in batch:
                await self.transport.send(message)
        self._is_sending = False

    def _next_batch(self) -> list[Message]:
        """Returns the messages to send now."""
        session, core = self._session, self._session._core
        outbox = core.outbox
        if self._again:
            batch, self._again = self._again[:_BATCH], self._again[_BATCH:]
        else:
            batch = outbox.take(min(_BATCH, session._stored - outbox.sent))
            session._progress.set()
        if batch:
            session._acknowledge_with_message()
        controls = core.controls()
        is_wanted = core.confirmed < session._wanted or core.is_short_of_window
        if is_wanted and core.has_unasked and not self._again:
            core.ask()  # after all that it is about
        messages = control.escape([delivery.message for delivery in batch])
        return [*controls, *messages, *core.controls()]

    def _deadline(self) -> float | None:
        """Until when the client has to acknowledge a message."""
        core = self._session._core
        if not core.outbox.pending or core.outbox.sent == self._session._stored:
            self._full_since = None
            return None
        if self._full_since is None or core.confirmed > self._confirmed:
            self._full_since = self._loop.time()
            self._confirmed = core.confirmed
        return self._full_since + self._settings.ack_timeout
