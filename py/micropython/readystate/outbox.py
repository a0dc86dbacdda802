"""The messages of a queue: waiting, sent, and confirmed or dropped."""

import asyncio

from .exceptions import MessageDropped, QueueFull
from .native import INF, choice, frozen, limit, now, report, wake


class DeliveryState:
    """The state of a message. It only goes forward, and ends as CONFIRMED or DROPPED."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    CONFIRMED = "CONFIRMED"
    DROPPED = "DROPPED"


class Delivery:
    """The delivery of one message: its ``message``, ``size``, ``state``, and ``reason`` at its end.

    ``await delivery`` returns when it is CONFIRMED and raises :exc:`MessageDropped` when it is
    DROPPED.
    """

    def __init__(self, queue, message, size, ttl=INF):
        self.message = message
        self.size = size
        self.state = DeliveryState.QUEUED
        self.reason = None
        self._queue = queue
        self._expires = now() + ttl if ttl < INF else INF
        # Its number among what was sent over this connection, and the bytes up to its end.
        self._index = self._end = 0
        self._is_transient = False
        self._done = None

    def __iter__(self):  # which await calls
        if self.reason is None:
            self._done = self._done or asyncio.Event()
            self._queue._want()
            yield from self._done.wait()
        if self.state == DeliveryState.DROPPED:
            raise MessageDropped(self.reason, self.message)

    def _finish(self, state, reason):
        self.state = state
        self.reason = reason
        if self._done is not None:
            self._done.set()

    def __repr__(self):
        why = f" ({self.reason})" if self.reason else ""
        return f"<Delivery of {self.size} bytes {self.state}{why}>"


class QueueStats:
    """How many messages were ``accepted``, ``sent``, ``resent`` and ``confirmed``; ``dropped`` has
    their numbers by reason.
    """

    accepted = sent = resent = confirmed = 0

    def __init__(self):
        self.dropped = {}

    def copy(self):
        """Returns a copy."""
        copy = type(self)()
        for name in self.__dict__:
            setattr(copy, name, getattr(self, name))
        copy.dropped = self.dropped.copy()
        return copy


class Outbox:
    """What :class:`SendQueue` and :class:`QueuedWebSocket` have in common."""

    _STATS = QueueStats
    # Whether messages are confirmed as they leave the page.
    _by_leaving = True

    def __init__(
        self,
        max_pending=2**16,
        max_pending_bytes=2**26,
        on_full="raise",
        ttl=None,
        in_doubt="resend",
        max_unconfirmed=2**14,
        max_unconfirmed_bytes=2**24,
    ):
        self._max_pending = limit("max_pending", max_pending)
        self._max_pending_bytes = limit("max_pending_bytes", max_pending_bytes)
        self._waits = choice("on_full", on_full, "raise", "wait") == "wait"
        self._ttl = limit("ttl", ttl)
        self._resends = choice("in_doubt", in_doubt, "resend", "drop") == "resend"
        self._window = limit("max_unconfirmed", max_unconfirmed)
        self._window_bytes = limit("max_unconfirmed_bytes", max_unconfirmed_bytes)
        self._waiting = []
        self._sent = []
        self._waiting_bytes = self._sent_bytes = 0
        # How much was sent over this connection.
        self._count = self._total = 0
        self._stats = self._STATS()
        self._ws = None
        self._is_held = self._is_over = self._is_watching = self._may_expire = False
        self._drop_reason = None
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()

    @property
    def pending(self):
        """How many messages wait to be sent, or sent again."""
        return len(self._waiting)

    @property
    def pending_bytes(self):
        """How many bytes wait to be sent, or sent again."""
        return self._waiting_bytes

    @property
    def unconfirmed(self):
        """How many messages were sent but are not confirmed yet."""
        return len(self._sent)

    @property
    def stats(self):
        """A copy of the statistics so far."""
        return self._stats.copy()

    def __iter__(self):
        return iter([delivery.message for delivery in self._waiting])

    def send(self, data, *, ttl=None):
        """Accepts a message in any state, and sends it when there is an open connection.

        Raises:
            QueueFull: There is no room.
            QueueClosed, ConnectionClosed: The queue is over.
            TypeError: ``data`` is neither text nor binary.
        """
        if self._is_over:
            raise self._refusal()
        message, size = frozen(getattr(data, "js_blob", data))
        ttl = self._ttl if ttl is None else limit("ttl", ttl)
        if not self._has_room(size):
            self._expire()
            if not self._has_room(size):
                raise QueueFull(len(self._waiting), self._waiting_bytes, size)
        delivery = Delivery(self, message, size, ttl)
        self._stats.accepted += 1
        self._waiting.append(delivery)
        self._waiting_bytes += size
        self._may_expire = self._may_expire or ttl < INF
        self._flush()
        if self._may_expire:
            self._watch()
        return delivery

    async def put(self, data, *, ttl=None):
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first."""
        if self._waits and not self._is_opening():
            data, size = frozen(getattr(data, "js_blob", data))
            async with self._lock:  # to keep their order
                while not (self._is_over or self._has_room(size)):
                    await self._changed.wait()
                return self.send(data, ttl=ttl)
        return self.send(data, ttl=ttl)

    async def drain(self):
        """Waits until every message is confirmed or dropped."""
        while self._waiting or self._sent:
            self._want()
            await self._changed.wait()

    def clear(self):
        """Drops all waiting messages, and returns their number."""
        return self._clear("cleared")

    def _want(self):
        """Called when a task waits for a confirmation."""

    def _is_opening(self):
        return False

    def _has_room(self, size):
        return (
            len(self._waiting) < self._max_pending
            and self._waiting_bytes + size <= self._max_pending_bytes
        )

    def _is_open(self):
        return self._ws is not None and self._ws.readyState == 1

    def _flush(self):
        """Sends what waits, if possible."""
        waiting = self._waiting
        if waiting and not self._is_held and self._is_open():
            self._expire()
            waiting, sent = self._waiting, self._sent
            while waiting and (not sent or self._fits(waiting[0])):
                delivery = waiting.pop(0)
                self._waiting_bytes -= delivery.size
                try:
                    self._transmit(delivery)
                except Exception:  # such as MemoryError
                    self._drop([delivery], "cannot be sent")
                    raise
        wake(self._changed)

    def _fits(self, delivery):
        return (
            len(self._sent) < self._window
            and self._sent_bytes + delivery.size <= self._window_bytes
        )

    def _transmit(self, delivery):
        self._ws.send(delivery.message)
        stats = self._stats
        stats.resent += delivery.state == DeliveryState.SENT
        stats.sent += 1
        delivery.state = DeliveryState.SENT
        delivery._index = self._count
        self._count += 1
        self._total += delivery.size
        delivery._end = self._total
        self._sent.append(delivery)
        self._sent_bytes += delivery.size
        if self._by_leaving:
            self._watch()

    def _send_transient(self, data):
        """Sends a message over this connection only, ahead of the others."""
        delivery = Delivery(self, *frozen(getattr(data, "js_blob", data)))
        delivery._is_transient = True
        self._transmit(delivery)
        self._stats.accepted += 1
        return delivery

    def _confirm_left(self):
        """Confirms what has left the page."""
        if self._by_leaving and self._ws is not None and self._sent:
            left = self._total - self._ws.bufferedAmount
            self._confirm(lambda delivery: delivery._end <= left, "left the page")

    def _confirm(self, is_confirmed, evidence):
        sent, count = self._sent, 0
        while count < len(sent) and is_confirmed(sent[count]):
            self._sent_bytes -= sent[count].size
            sent[count]._finish(DeliveryState.CONFIRMED, evidence)
            count += 1
        del sent[:count]
        self._stats.confirmed += count
        wake(self._changed)

    def _disconnect(self):
        """Called when the socket has ended: what is unconfirmed is in doubt."""
        lost, self._ws, self._sent = self._sent, None, []
        self._sent_bytes = self._count = self._total = 0
        transient = [delivery for delivery in lost if delivery._is_transient]
        others = [delivery for delivery in lost if not delivery._is_transient]
        self._drop(transient, self._drop_reason or "connection lost")
        if self._drop_reason is not None or not self._resends:
            self._drop(others, self._drop_reason or "in doubt")
        else:
            self._waiting = others + self._waiting
            self._waiting_bytes += sum(delivery.size for delivery in others)
            self._may_expire = True
            self._watch()
        wake(self._changed)

    def _clear(self, reason):
        dropped, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._drop(dropped, reason)
        wake(self._changed)
        return len(dropped)

    def _drop(self, deliveries, reason):
        dropped, unseen = self._stats.dropped, 0
        for delivery in deliveries:
            dropped[reason] = dropped.get(reason, 0) + 1
            unseen += delivery._done is None
            delivery._finish(DeliveryState.DROPPED, reason)
        if unseen and reason not in ("aborted", "cleared"):
            print(f"readystate: {self!r} dropped {unseen:,} messages that no task awaits: {reason}")

    def _expire(self):
        """Drops what has waited for too long; returns whether something else may."""
        if self._may_expire:
            time, all = now(), self._waiting
            expired = [delivery for delivery in all if delivery._expires <= time]
            if expired:
                self._waiting = [delivery for delivery in all if delivery._expires > time]
                self._waiting_bytes -= sum(delivery.size for delivery in expired)
                self._drop(expired, "expired")
            self._may_expire = any(delivery._expires < INF for delivery in self._waiting)
        return self._may_expire

    def _watch(self):
        """Looks now and then whether messages have left the page, or waited for too long."""
        if not self._is_watching:
            self._is_watching = True
            asyncio.create_task(self._look())

    async def _look(self):
        pause = 1
        try:
            while self._expire() or (self._by_leaving and self._sent and self._is_open()):
                self._confirm_left()
                self._flush()
                await asyncio.sleep_ms(pause)
                pause = min(50, 2 * pause)
        except Exception as error:
            report(f"Exception in {self!r}", error)
        self._is_watching = False
        wake(self._changed)

    def __repr__(self):
        name, waiting = type(self).__name__, len(self._waiting)
        return f"<{name} {waiting:,} waiting, {len(self._sent):,} unconfirmed>"
