"""The messages of a queue: waiting, sent, and confirmed or dropped. Without sockets."""

import asyncio

from .connection import Fifo
from .exceptions import MessageDropped, QueueFull
from .native import now, report

_INF = float("inf")


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

    def __init__(self, message, size, key, expires):
        self.message = message
        self.size = size
        self.state = DeliveryState.QUEUED
        self.reason = None
        self._key = key
        self._expires = expires
        # Its position among what was sent over this connection, in messages and in bytes.
        self._index = -1
        self._end = 0
        self._is_transient = False
        self._losses = 0
        self._done = None
        self._on_wanted = None

    def __iter__(self):  # which await calls
        if self.reason is None:
            if self._done is None:
                self._done = asyncio.Event()
            if self._on_wanted is not None:
                self._on_wanted()
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

    def __init__(self, other=None):
        for name in ("accepted", "sent", "resent", "confirmed"):
            setattr(self, name, getattr(other, name, 0))
        self.dropped = dict(other.dropped) if other else {}

    def __repr__(self):
        return f"<{type(self).__name__}: {self.__dict__}>"


class Outbox:
    """The messages of one queue."""

    def __init__(
        self,
        max_pending,
        max_pending_bytes,
        on_full,
        in_doubt,
        max_unconfirmed,
        max_unconfirmed_bytes,
        max_resends=None,
    ):
        if on_full not in ("raise", "wait", "drop-oldest", "drop-newest"):
            raise ValueError(
                f"on_full={on_full!r} must be 'raise', 'wait', 'drop-oldest' or 'drop-newest'"
            )
        if in_doubt not in ("resend", "drop"):
            raise ValueError(f"in_doubt={in_doubt!r} must be 'resend' or 'drop'")
        self._max_pending = _INF if max_pending is None else max_pending
        self._max_pending_bytes = _INF if max_pending_bytes is None else max_pending_bytes
        self._window = self._most = _INF if max_unconfirmed is None else max_unconfirmed
        self._window_bytes = _INF if max_unconfirmed_bytes is None else max_unconfirmed_bytes
        self._max_resends = _INF if max_resends is None else max_resends
        self._losses = 0
        self.on_full = on_full
        self._in_doubt = in_doubt
        # Both may have messages whose end came early: by an acknowledgement, or their age.
        self._waiting = Fifo()
        self._sent = Fifo()
        self._by_key = {}
        self._next_expiry = _INF
        self.stats = QueueStats()
        self.pending = self.pending_bytes = 0
        self.unconfirmed = self.unconfirmed_bytes = 0
        # How much was sent over this connection.
        self.sent = self.sent_bytes = 0

    def __iter__(self):
        return iter([each.message for each in self._waiting if each.reason is None])

    def is_full(self, size):
        """Whether there is no room for a message of ``size`` bytes."""
        return (
            self.pending >= self._max_pending or self.pending_bytes + size > self._max_pending_bytes
        )

    @property
    def is_half_full(self):
        """Whether to ask for confirmations now, so that sending does not pause."""
        return (
            self.unconfirmed * 2 >= self._window or self.unconfirmed_bytes * 2 >= self._window_bytes
        )

    def accept(self, message, size, ttl, key):
        """Adds a message that has to wait. Raises :exc:`QueueFull`."""
        delivery = Delivery(message, size, key, None if ttl is None else now() + ttl)
        self.expire()
        if self.is_full(size):
            if self.on_full in ("raise", "wait"):
                raise QueueFull(self.pending, self.pending_bytes, size)
            if self.on_full == "drop-oldest":
                while self.pending and self.is_full(size):
                    self._drop_waiting(self._next(), "overflow")
            if self.is_full(size):
                self.stats.accepted += 1
                self._drop(delivery, "overflow")
                return delivery
        if ttl is not None:
            self._next_expiry = min(self._next_expiry, delivery._expires)
        self.stats.accepted += 1
        self._waiting.append(delivery)
        self.pending += 1
        self.pending_bytes += size
        return delivery

    def accept_transient(self, message, size, key):
        """Adds a message that is sent now, and dropped when this connection is lost."""
        delivery = Delivery(message, size, key, None)
        delivery._is_transient = True
        self.stats.accepted += 1
        self._start(delivery)
        return delivery

    def take(self):
        """Returns the next message to send, and counts it as sent; ``None`` if there is none."""
        delivery = self._next()
        if delivery is None or (
            self.unconfirmed
            and (
                self.unconfirmed >= self._window
                or self.unconfirmed_bytes + delivery.size > self._window_bytes
            )
        ):
            return None
        self._waiting.popleft()
        self.pending -= 1
        self.pending_bytes -= delivery.size
        self._start(delivery)
        return delivery

    def _next(self):
        waiting = self._waiting
        while waiting and waiting[0].reason is not None:
            waiting.popleft()
        return waiting[0] if waiting else None

    def _start(self, delivery):
        if delivery.state == DeliveryState.SENT:
            self.stats.resent += 1
        elif delivery._key is not None:
            self._by_key.setdefault(delivery._key, []).append(delivery)
        delivery.state = DeliveryState.SENT
        delivery._index = self.sent
        self.sent += 1
        self.sent_bytes += delivery.size
        delivery._end = self.sent_bytes
        self.unconfirmed += 1
        self.unconfirmed_bytes += delivery.size
        self.stats.sent += 1
        self._sent.append(delivery)

    def confirm_bytes(self, count):
        """Confirms what is in the first ``count`` bytes of this connection."""
        self._confirm(lambda delivery: delivery._end <= count, "left the page")

    def confirm_before(self, index, evidence):
        """Confirms the first ``index`` messages of this connection, but for those with a key."""
        self._confirm(lambda delivery: delivery._index < index, evidence)

    def _confirm(self, is_confirmed, evidence):
        sent, keyed = self._sent, []
        while sent and is_confirmed(sent[0]):
            delivery = sent.popleft()
            if delivery.reason is None:
                if delivery._key is None:
                    self._confirm_one(delivery, evidence)
                else:
                    keyed.append(delivery)
        if keyed:
            sent.replace(keyed + list(sent))

    def confirm_keys(self, keys):
        """Confirms the oldest message with each of these keys, and those without before them."""
        newest = 0
        for key in keys:
            deliveries = self._by_key.get(key)
            if deliveries:
                newest = max(newest, deliveries[0]._index)
                self._confirm_one(deliveries[0], "acknowledged")
        self.confirm_before(newest, "acknowledged")

    def _confirm_one(self, delivery, evidence):
        if delivery._index < 0:  # It waits to be sent again.
            self.pending -= 1
            self.pending_bytes -= delivery.size
        else:
            self.unconfirmed -= 1
            self.unconfirmed_bytes -= delivery.size
        self._forget_key(delivery)
        delivery._finish(DeliveryState.CONFIRMED, evidence)
        self.stats.confirmed += 1
        self._losses = 0
        self._window = min(self._window + 1, self._most)

    def _forget_key(self, delivery):
        deliveries = self._by_key.get(delivery._key)
        if deliveries and delivery in deliveries:
            deliveries.remove(delivery)
            if not deliveries:
                del self._by_key[delivery._key]

    def connection_lost(self, reason=None):
        """Puts what is unconfirmed in doubt; or drops it, if there is a ``reason``."""
        lost = [delivery for delivery in self._sent if delivery.reason is None]
        self._sent.replace(())
        self.unconfirmed = self.unconfirmed_bytes = self.sent = self.sent_bytes = 0
        if lost:
            # As in TCP; to a single message, if nothing was confirmed since the loss before.
            self._losses += 1
            is_stuck = self._losses > 1 or self._max_resends < _INF
            self._window = 1 if is_stuck else max(min(16, self._window), len(lost) // 2)
        again, is_first = [], True
        for delivery in lost:
            delivery._index = -1
            why = reason
            if why is None and delivery._is_transient:
                why = "connection lost"
            elif why is None and self._in_doubt == "drop":
                why = "in doubt"
            elif why is None and is_first:
                is_first = False
                delivery._losses += 1
                if delivery._losses > self._max_resends:
                    why = "resent too often"
            if why is not None:
                self._drop(delivery, why)
                continue
            again.append(delivery)
            self.pending += 1
            self.pending_bytes += delivery.size
            if delivery._expires is not None:
                self._next_expiry = min(self._next_expiry, delivery._expires)
        self._waiting.replace(again + list(self._waiting))

    def expire(self):
        """Drops the messages whose time is over; returns when the next one's is."""
        time = now()
        if time >= self._next_expiry:
            self._next_expiry = _INF
            for delivery in self._waiting:
                if delivery.reason is None and delivery._expires is not None:
                    if delivery._expires <= time:
                        self._drop_waiting(delivery, "expired")
                    else:
                        self._next_expiry = min(self._next_expiry, delivery._expires)
        return self._next_expiry

    def clear(self, reason):
        """Drops all waiting messages and returns their number."""
        count = self.pending
        for delivery in self._waiting:
            if delivery.reason is None:
                self._drop_waiting(delivery, reason)
        self._waiting.replace(())
        return count

    def _drop_waiting(self, delivery, reason):
        self.pending -= 1
        self.pending_bytes -= delivery.size
        self._drop(delivery, reason)

    def _drop(self, delivery, reason):
        self._forget_key(delivery)
        self.stats.dropped[reason] = self.stats.dropped.get(reason, 0) + 1
        if delivery._done is None and reason not in ("aborted", "cleared"):
            print(f"readystate: {delivery!r} was dropped ({reason}), and no task awaits it")
        delivery._finish(DeliveryState.DROPPED, reason)


class Sender:
    """Sends the messages of an :class:`Outbox` over a socket, when there is one.

    Args:
        outbox: The messages.
        ttl: How long a message may wait, in seconds; ``None`` means no limit.
        refusal: Returns the exception for a message after the end.
        owner: The object named in errors.
    """

    def __init__(self, outbox, ttl, refusal, owner):
        self.outbox = outbox
        self._ttl = ttl
        self._refusal = refusal
        self._owner = owner
        self.is_over = False
        self.drop_reason = None
        self.is_held = False
        self.ws = None
        self.key_of = None
        # Whether messages are confirmed as they leave the page; else, what asks for confirmation.
        self.by_leaving = True
        self.wanted = None
        self._is_watching = False
        self._changed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._expiry = None

    @property
    def is_open(self):
        """Whether there is an open socket."""
        return self.ws is not None and self.ws.readyState == 1

    def send(self, data, ttl):
        """Accepts a message, and sends it now if possible."""
        if self.is_over:
            raise self._refusal()
        message, size = sendable(data)
        ttl = self._ttl if ttl is None else ttl
        if ttl is not None and not ttl >= 0:
            raise ValueError(f"ttl={ttl!r} must be a number of seconds, not negative")
        key = self.key_of(message) if self.key_of is not None else None
        delivery = self.outbox.accept(message, size, ttl, key)
        delivery._on_wanted = self.wanted
        self.flush()
        if ttl is not None and self._expiry is None and delivery.state == DeliveryState.QUEUED:
            self._expiry = asyncio.create_task(self._expire())
        return delivery

    async def put(self, data, ttl):
        """Accepts a message; with ``on_full="wait"``, waits for room first."""
        if self.outbox.on_full == "wait" and not self.is_over:
            data, size = sendable(data)
            async with self._lock:
                while self.outbox.is_full(size) and not self.is_over:
                    await self.change()
                return self.send(data, ttl)
        return self.send(data, ttl)

    def send_transient(self, data):
        """Sends a message for this connection only, ahead of the queue."""
        message, size = sendable(data)
        key = self.key_of(message) if self.key_of is not None else None
        delivery = self.outbox.accept_transient(message, size, key)
        delivery._on_wanted = self.wanted
        self.ws.send(message)
        self._watch()
        return delivery

    async def drain(self):
        """Waits until no message waits or is unconfirmed."""
        while self.outbox.pending or self.outbox.unconfirmed:
            if self.wanted is not None:
                self.wanted()
            await self.change()

    async def change(self):
        """Waits until something about the messages has changed."""
        self._changed.clear()
        await self._changed.wait()

    def connect(self, ws, hold=False):
        """Sends over this socket from now on."""
        self.ws = ws
        self.is_held = hold
        self.flush()

    def flush(self):
        """Sends what waits, if possible."""
        if not self.is_held and self.is_open:
            self.outbox.expire()
            while True:
                delivery = self.outbox.take()
                if delivery is None:
                    break
                self.ws.send(delivery.message)
                self._watch()
        self.changed()

    def changed(self):
        """Wakes those who wait for a change."""
        self._changed.set()

    def disconnect(self):
        """Called when the socket has ended."""
        self.ws = None
        self.outbox.connection_lost(self.drop_reason)
        self.changed()

    def clear(self, reason):
        """Drops all waiting messages, and returns their number."""
        count = self.outbox.clear(reason)
        self.changed()
        return count

    def confirm_left(self):
        """Confirms what has left the page."""
        if self.by_leaving and self.ws is not None and self.outbox.unconfirmed:
            self.outbox.confirm_bytes(self.outbox.sent_bytes - self.ws.bufferedAmount)
            self.changed()

    def _watch(self):
        if self.by_leaving and not self._is_watching:
            self._is_watching = True
            asyncio.create_task(self._watch_buffer())

    async def _watch_buffer(self):
        pause = 0
        try:
            while self.is_open and self.outbox.unconfirmed:
                self.confirm_left()
                self.flush()
                pause = min(50, 2 * pause or 1)
                await asyncio.sleep_ms(pause)
        except Exception as error:
            report(f"Exception in {self._owner!r}", error)
        self._is_watching = False

    async def _expire(self):
        while True:
            pause = self.outbox.expire() - now()
            self.changed()
            if pause == _INF:
                break
            await asyncio.sleep_ms(int(max(50, pause * 1000)))
        self._expiry = None


def sendable(data):
    """Returns the message and its size in bytes. Raises :exc:`TypeError`."""
    from .native import frozen

    return frozen(getattr(data, "js_blob", data))
