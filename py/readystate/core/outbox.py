"""The state of each message in a queue: waiting, sent, or confirmed.

Pure logic, without sockets: its caller reports what happens to them. ::

    accept() --> waiting --take()--> unconfirmed --confirm...()--> CONFIRMED
                 ^  |  \\            |  |
                 |  |   +-- expire() |  +-- drop_all() ----------> DROPPED
                 |  +-- overflow,    |
                 |      clear()      |
                 +-- connection_lost() ("resend": what is in doubt, ahead of all others)

Every accepted message ends as either CONFIRMED or DROPPED. The class is long because each of these
steps updates the same counts and queues, which must stay consistent.
"""

from __future__ import annotations

import bisect
import itertools
import logging
import math
import operator
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from ..exceptions import QueueFull
from . import checks
from .delivery import CONFIRMED, DROPPED, SENT, Delivery, DropReason, Evidence
from .stats import QueueStats
from .window import SendWindow

OnFull: TypeAlias = Literal["raise", "wait", "drop-oldest", "drop-newest"]
InDoubt: TypeAlias = Literal["resend", "drop"]

EXPIRY_STEP = 0.05
"""The resolution of a time-to-live, in seconds: the least time between two scans of the queue."""

_NOT_LOGGED = ("aborted", "cleared", "taken over")
"""Why messages are dropped that are not lost, or that the application wants to lose."""

_end_of = operator.attrgetter("_end")

_logger = logging.getLogger("readystate")


class Outbox:
    """The messages of one queue. For each limit, ``None`` means none.

    Args:
        max_pending: How many messages may wait.
        max_pending_bytes: How many bytes may wait.
        on_full: What happens when the queue is full.
        in_doubt: What happens to unconfirmed messages when their connection is lost.
        max_unconfirmed: How many messages may be unconfirmed.
        max_unconfirmed_bytes: How many bytes may be unconfirmed; one message always may.
        max_resends: How many connections may be lost while a message is the oldest unconfirmed one
            before it is dropped.
        clock: Returns the time in seconds.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        *,
        max_pending: int | None,
        max_pending_bytes: int | None,
        on_full: OnFull,
        in_doubt: InDoubt,
        max_unconfirmed: int | None,
        max_unconfirmed_bytes: int | None,
        max_resends: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        checks.choice("on_full", on_full, ("raise", "wait", "drop-oldest", "drop-newest"))
        checks.choice("in_doubt", in_doubt, ("resend", "drop"))
        self._max_pending = checks.bound("max_pending", max_pending)
        self._max_pending_bytes = checks.bound("max_pending_bytes", max_pending_bytes)
        self._window = SendWindow(
            checks.bound("max_unconfirmed", max_unconfirmed, least=1),
            checks.bound("max_unconfirmed_bytes", max_unconfirmed_bytes, least=1),
        )
        self._max_resends = checks.bound("max_resends", max_resends, least=1)
        self._on_full = on_full
        self._in_doubt = in_doubt
        self.keeps_unconfirmed = False
        """Whether messages stay unconfirmed when a connection is lost, as in a session."""
        self.needs_keys = False
        """Whether a message without a key is confirmed only by a later one with a key."""
        self.clock = clock
        self._waiting: deque[Delivery] = deque()
        # Sent and not confirmed, in the order of sending; those with a key apart.
        self._sent: deque[Delivery] = deque()
        # From their first sending until they are over, also while they wait again.
        self._by_key: dict[Hashable, deque[Delivery]] = {}
        # How many of those without a key are for this connection only; they were sent first.
        self._transient = 0
        self._has_logged = False
        self.stats: QueueStats = QueueStats()
        self.pending_bytes: int = 0
        self.unconfirmed: int = 0
        self.unconfirmed_bytes: int = 0
        self.next_expiry: float | None = None
        """When the next waiting message expires, approximately."""
        self.sent: int = 0
        """How many messages were sent over this connection."""
        self.sent_bytes: int = 0
        """How many bytes were sent over this connection."""

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or sent again."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Any]:
        return (delivery.message for delivery in tuple(self._waiting))

    def is_full(self, size: int) -> bool:
        """Whether there is no room for a message of ``size`` bytes."""
        return (
            len(self._waiting) >= self._max_pending
            or self.pending_bytes + size > self._max_pending_bytes
        )

    def is_clear(self, size: int) -> bool:
        """Whether a message of ``size`` bytes can be sent now."""
        return not self._waiting and self._fits(self.unconfirmed, self.unconfirmed_bytes, size)

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`take` may have an effect now."""
        waiting = self._waiting
        if not waiting or self.next_expiry is not None:
            return bool(waiting)
        return self._fits(self.unconfirmed, self.unconfirmed_bytes, waiting[0].size)

    @property
    def is_awaited(self) -> bool:
        """Whether a task awaits the first or the last message that is unconfirmed."""
        sent = self._sent
        return bool(sent and (sent[0]._waiters or sent[-1]._waiters))

    @property
    def has_unkeyed(self) -> bool:
        """Whether an unconfirmed message has no key."""
        return bool(self._sent)

    @property
    def is_window_half_full(self) -> bool:
        """Whether to ask for confirmations now, so that sending does not pause."""
        return self._window.is_half_full(self.unconfirmed, self.unconfirmed_bytes)

    def accept(
        self,
        message: Any,
        size: int,
        *,
        ttl: float | None = None,
        key: Hashable = None,
    ) -> Delivery:
        """Adds a message that has to wait.

        Args:
            message: The message.
            size: Its length in bytes.
            ttl: How long it may wait, in seconds.
            key: The key with which it will be acknowledged, if any.

        Raises:
            QueueFull: There is no room.
        """
        hash(key)  # or raise, before anything is changed
        delivery = Delivery(message, size, key)
        if self.is_full(size):
            self.expire()
            if self.is_full(size) and not self._make_room(delivery):
                return delivery
        if ttl is not None:
            delivery._expires = self.clock() + ttl
            self._expect_expiry(delivery._expires)
        self.stats.accepted += 1
        self._waiting.append(delivery)
        self.pending_bytes += size
        return delivery

    def accept_sent(
        self,
        message: Any,
        size: int,
        ttl: float | None = None,
        key: Hashable = None,
        *,
        is_transient: bool = False,
    ) -> Delivery:
        """Adds a message that is sent now.

        If ``is_transient``, it is dropped when this connection is lost.
        """
        delivery = Delivery(message, size, key)
        if key is None:
            self._sent.append(delivery)
            self._transient += is_transient
        else:
            self._register(delivery)
        delivery._is_transient = is_transient
        if ttl is not None:
            delivery._expires = self.clock() + ttl
        delivery.state = SENT
        delivery._index = self.sent
        self.sent += 1
        self.sent_bytes += size
        delivery._end = self.sent_bytes
        self.unconfirmed += 1
        self.unconfirmed_bytes += size
        stats = self.stats
        stats.accepted += 1
        stats.sent += 1
        return delivery

    def accept_clear(self, message: Any, size: int) -> Delivery | None:
        """Adds a message without a time-to-live and a key that is sent now, if it can be.

        In one step what :meth:`is_clear` and :meth:`accept_sent` are in two, as far as that is
        simple. ``None`` says: ask them.
        """
        count, total, window = self.unconfirmed + 1, self.unconfirmed_bytes + size, self._window
        if self._waiting or self.needs_keys or count > window.messages or total > window.bytes:
            return None
        delivery = Delivery(message, size)
        delivery.state = SENT
        delivery._index = self.sent
        delivery._end = self.sent_bytes = self.sent_bytes + size
        self._sent.append(delivery)
        self.sent += 1
        self.unconfirmed = count
        self.unconfirmed_bytes = total
        stats = self.stats
        stats.accepted += 1
        stats.sent += 1
        return delivery

    def take(self, at_most: int | None = None) -> list[Delivery]:
        """Returns the messages to send now, in order, and counts them as sent."""
        if self.next_expiry is not None:
            self.expire()
        waiting = self._waiting
        if (
            at_most is None
            and self.unconfirmed + len(waiting) <= self._window.messages
            and self.unconfirmed_bytes + self.pending_bytes <= self._window.bytes
        ):
            batch = list(waiting)
            waiting.clear()
            self.pending_bytes = 0
            self.next_expiry = None
            self._start(batch)
            return batch
        batch = []
        count, total, unkeyed = self.unconfirmed, self.unconfirmed_bytes, 0
        while (
            waiting and len(batch) != at_most and self._fits(count, total, waiting[0].size, unkeyed)
        ):
            delivery = waiting.popleft()
            count += 1
            total += delivery.size
            unkeyed += delivery._key is None
            batch.append(delivery)
        self.pending_bytes -= total - self.unconfirmed_bytes
        self._start(batch)
        return batch

    def confirm_bytes(self, count: int) -> None:
        """Confirms the first ``count`` bytes of this connection, which have left the page."""
        sent = self._sent
        if count >= self.sent_bytes:
            self._confirm_first(len(sent), "left the page")
        else:
            # Sent in this order, and so in the order of their ends.
            self._confirm_first(bisect.bisect(sent, count, key=_end_of), "left the page")

    def confirm_before(self, index: int, evidence: Evidence) -> None:
        """Confirms the first ``index`` messages of this connection.

        Messages with a key are not confirmed by it.
        """
        before = itertools.takewhile(lambda delivery: delivery._index < index, self._sent)
        self._confirm_first(sum(1 for _ in before), evidence)

    def confirm_keys(self, keys: Iterable[Hashable]) -> None:
        """Confirms the oldest message with each of these keys.

        Messages without a key that were sent before them are confirmed too.
        """
        keys = list(keys)  # which may call the user's functions, so before anything is changed
        newest = newest_again = 0
        try:
            for key in keys:
                deliveries = self._by_key.get(key)
                if deliveries is None:
                    continue
                delivery = deliveries.popleft()
                if not deliveries:
                    del self._by_key[key]
                if delivery._index < 0:
                    self._confirm_waiting(delivery)
                elif delivery._is_again:
                    newest_again = max(newest_again, delivery._index)
                else:
                    newest = max(newest, delivery._index)
                delivery._finish(CONFIRMED, "acknowledged")
                self._count_confirmed(1, delivery.size)
        finally:
            self.confirm_before(newest, "acknowledged")
            # The acknowledged message may have arrived over an earlier connection: that confirms no
            # transient message of this one.
            transient = [self._sent.popleft() for _ in range(self._transient)]
            self._transient = 0
            self.confirm_before(newest_again, "acknowledged")
            self._sent.extendleft(reversed(transient))
            self._transient = len(transient)

    def limit(self, messages: int, size: int) -> None:
        """Lowers the limits of what may be unconfirmed to these, if they are higher."""
        self._window.limit(messages, size)

    def limit_pending(self, size: int) -> None:
        """Lowers the limit of what may wait to ``size`` bytes, if it is higher."""
        self._max_pending_bytes = min(self._max_pending_bytes, size)

    def mark_sent(self, messages: Iterable[Any]) -> None:
        """Counts those of ``messages`` that are first in the queue as sent, by another outbox."""
        waiting, batch = self._waiting, []
        for message in messages:
            if waiting and waiting[0].message is message:
                batch.append(waiting.popleft())
        self.pending_bytes -= sum(delivery.size for delivery in batch)
        self._start(batch)

    def resend_from(self, index: int) -> list[Delivery]:
        """Returns the unconfirmed messages from ``index`` on, which are sent again in a resumed
        session.
        """
        first = self._sent[0]._index if self._sent else 0
        again = list(itertools.islice(self._sent, max(0, index - first), None))
        self.stats.sent += len(again)
        self.stats.resent += len(again)
        return again

    def restore(self, sent: int, messages: Iterable[tuple[Any, int]]) -> list[Delivery]:
        """Restores the state of another outbox, after ``sent`` messages were confirmed.

        Args:
            sent: How many were confirmed.
            messages: Those sent after them, each with its size in bytes.
        """
        self.sent = sent
        restored = [self.accept_sent(message, size) for message, size in messages]
        self.stats.sent -= len(restored)
        return restored

    def connection_lost(self, reason: DropReason | None = None) -> None:
        """Puts what is unconfirmed in doubt; or drops it, if there is a ``reason``."""
        if reason is None and self.keeps_unconfirmed:
            return
        keyed = (d for deliveries in self._by_key.values() for d in deliveries if d._index >= 0)
        lost = sorted(itertools.chain(self._sent, keyed), key=lambda delivery: delivery._index)
        self._sent.clear()
        self._transient = 0
        if lost:
            self._window.shrink(
                self.unconfirmed, self.unconfirmed_bytes, to_one=self._max_resends < math.inf
            )
        suspect = self._suspect(lost)
        self.unconfirmed = self.unconfirmed_bytes = self.sent = self.sent_bytes = 0
        again: list[Delivery] = []
        dropped: list[tuple[Delivery, DropReason]] = []
        for delivery in lost:
            delivery._index = -1
            why = reason or self._end_of_doubt(delivery, suspect)
            if why:
                dropped.append((delivery, why))
                continue
            again.append(delivery)
            self.pending_bytes += delivery.size
            if delivery._expires is not None:
                self._expect_expiry(delivery._expires)
        self._waiting.extendleft(reversed(again))
        for delivery, why in dropped:
            self._drop(delivery, why)

    def _suspect(self, lost: list[Delivery]) -> Delivery | None:
        """Returns the lost message that may have made the other side fail."""
        suspect = next((delivery for delivery in lost if not delivery._is_transient), None)
        if suspect is not None:
            suspect._losses += 1
        return suspect

    def _end_of_doubt(self, delivery: Delivery, suspect: Delivery | None) -> DropReason | None:
        """Returns why a message in doubt is dropped; ``None`` if it is sent again."""
        if delivery._is_transient:
            return "connection lost"
        if self._in_doubt == "drop":
            return "in doubt"
        is_poison = delivery is suspect and delivery._losses > self._max_resends
        return "resent too often" if is_poison else None

    def expire(self) -> None:
        """Drops the messages whose time-to-live is over."""
        now = self.clock()
        if self.next_expiry is None or now < self.next_expiry:
            return
        self.next_expiry = None
        expired = []
        waiting, self._waiting = self._waiting, deque()
        for delivery in waiting:
            if delivery._expires is None:
                self._waiting.append(delivery)
            elif delivery._expires <= now:
                expired.append(delivery)
                self.pending_bytes -= delivery.size
            else:
                self._waiting.append(delivery)
                self._expect_expiry(max(delivery._expires, now + EXPIRY_STEP))
        for delivery in expired:
            self._drop(delivery, "expired")

    def unfinished(self) -> list[Any]:
        """Returns the messages that are neither confirmed nor dropped, in order."""
        return [delivery.message for delivery in itertools.chain(self._sent, self._waiting)]

    def clear(self, reason: DropReason) -> int:
        """Drops all waiting messages and returns their number."""
        waiting, self._waiting = self._waiting, deque()
        self.pending_bytes = 0
        self.next_expiry = None
        for delivery in waiting:
            self._drop(delivery, reason)
        return len(waiting)

    def _expect_expiry(self, expires: float) -> None:
        if self.next_expiry is None or expires < self.next_expiry:
            self.next_expiry = expires

    def _fits(self, count: int, total: int, size: int, unkeyed: int = 0) -> bool:
        """Whether one more message fits into the window, beside ``count`` of ``total`` bytes.

        ``unkeyed`` of them have no key, and are not counted as sent yet.
        """
        # Transient messages do not count: they may never be confirmed by themselves.
        count -= self._transient
        if not count:
            return True
        window = self._window
        if not self.needs_keys:
            return count < window.messages and total + size <= window.bytes
        # Nor do those that are confirmed only with a later message.
        keyed = count - unkeyed - (len(self._sent) - self._transient)
        if count >= window.most or total + size > window.most_bytes:
            return False
        return not keyed or (keyed < window.messages and total + size <= window.bytes)

    def _make_room(self, delivery: Delivery) -> bool:
        """Makes room for ``delivery``; returns whether it did, or has dropped that instead.

        Raises:
            QueueFull: ``on_full`` is "raise" or "wait".
        """
        if self._on_full in ("raise", "wait"):
            raise QueueFull(
                self.pending, self.pending_bytes, delivery.size, may_wait=self._on_full == "wait"
            )
        may_wait = self._max_pending > 0 and delivery.size <= self._max_pending_bytes
        if self._on_full == "drop-oldest" and may_wait:
            while self._waiting and self.is_full(delivery.size):
                oldest = self._waiting.popleft()
                self.pending_bytes -= oldest.size
                self._drop(oldest, "overflow")
            if not self.is_full(delivery.size):
                return True
        self.stats.accepted += 1
        self._drop(delivery, "overflow")
        return False

    def _start(self, batch: Sequence[Delivery]) -> None:
        """Counts ``batch`` as sent."""
        index, end = self.sent, self.sent_bytes
        sent = self._sent
        resent = 0
        for delivery in batch:
            if delivery._key is None:
                sent.append(delivery)
            elif delivery.state is not SENT:
                self._register(delivery)
            if delivery.state is SENT:
                delivery._is_again = True
                resent += 1
            delivery.state = SENT
            delivery._index = index
            index += 1
            end += delivery.size
            delivery._end = end
        self.stats.sent += len(batch)
        self.stats.resent += resent
        self.unconfirmed += len(batch)
        self.unconfirmed_bytes += end - self.sent_bytes
        self.sent, self.sent_bytes = index, end

    def _register(self, delivery: Delivery) -> None:
        self._by_key.setdefault(delivery._key, deque()).append(delivery)

    def _confirm_first(self, count: int, evidence: Evidence) -> None:
        """Confirms the oldest ``count`` sent messages without a key."""
        popleft = self._sent.popleft
        if self._transient:
            self._transient = max(0, self._transient - count)
        size = 0
        for _ in range(count):
            delivery = popleft()
            size += delivery.size
            if delivery._waiters is None:  # which is all that takes longer
                delivery.state = CONFIRMED
                delivery.reason = evidence
            else:
                delivery._finish(CONFIRMED, evidence)
        self._count_confirmed(count, size)

    def _confirm_waiting(self, acknowledged: Delivery) -> None:
        """Takes an acknowledged message from the queue; confirms what was sent before it."""
        waiting = []
        while (delivery := self._waiting.popleft()) is not acknowledged:
            if delivery.state is SENT and delivery._key is None:
                self._count_arrived(delivery)
                delivery._finish(CONFIRMED, "acknowledged")
                self._count_confirmed(1, delivery.size)
            else:
                waiting.append(delivery)
        self._count_arrived(acknowledged)
        self._waiting.extendleft(reversed(waiting))

    def _count_arrived(self, delivery: Delivery) -> None:
        self.pending_bytes -= delivery.size
        self.unconfirmed += 1
        self.unconfirmed_bytes += delivery.size

    def _count_confirmed(self, count: int, size: int) -> None:
        self.unconfirmed -= count
        self.unconfirmed_bytes -= size
        self.stats.confirmed += count
        self._window.grow(count, size)

    def _drop(self, delivery: Delivery, reason: DropReason) -> None:
        if delivery.state is SENT and delivery._key is not None:
            deliveries = self._by_key[delivery._key]
            deliveries.remove(delivery)
            if not deliveries:
                del self._by_key[delivery._key]
        self.stats.dropped[reason] = self.stats.dropped.get(reason, 0) + 1
        if not (self._has_logged or delivery._waiters or reason in _NOT_LOGGED):
            self._has_logged = True
            _logger.warning(
                "a message of %d bytes was dropped (%s), and no task awaits its Delivery; "
                "further ones are only counted, in stats.dropped",
                delivery.size,
                reason,
            )
        delivery._finish(DROPPED, reason)
