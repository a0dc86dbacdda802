"""The bookkeeping of a queue of messages: what waits, what was sent, what is confirmed.

Pure logic: it knows nothing of sockets, and is told what happens to them. ::

    accept() --> waiting --take()--> unconfirmed --confirm...()--> CONFIRMED
                 ^  |  \\            |  |
                 |  |   +-- expire() |  +-- drop_all() ----------> DROPPED
                 |  +-- overflow,    |
                 |      clear()      |
                 +-- connection_lost() ("resend": what is in doubt goes first again)

Every message that is accepted ends in exactly one of CONFIRMED and DROPPED.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from ..exceptions import QueueFull
from . import checks
from .delivery import CONFIRMED, DROPPED, SENT, Delivery, DropReason, Evidence

__all__ = ["QueueStats"]

OnFull: TypeAlias = Literal["raise", "wait", "drop-oldest", "drop-newest"]
InDoubt: TypeAlias = Literal["resend", "drop"]

EXPIRY_STEP = 0.05
"""How exactly a time-to-live is kept, in seconds: what waits is not looked through more often."""
_LEAST_WINDOW = 16
_LEAST_WINDOW_BYTES = 2**16

_logger = logging.getLogger("readystate")


@dataclasses.dataclass
class QueueStats:
    """What a queue has done so far.

    ``accepted`` is the sum of ``confirmed``, ``dropped``, and what still waits or is unconfirmed.

    Attributes:
        accepted: The messages accepted.
        sent: How often a message was handed to a native socket.
        resent: How often of these it was not the first time.
        confirmed: The messages confirmed.
        dropped: The messages dropped, by reason.
    """

    accepted: int = 0
    sent: int = 0
    resent: int = 0
    confirmed: int = 0
    dropped: dict[DropReason, int] = dataclasses.field(default_factory=dict)


class Outbox:
    """The messages of one queue. A bound that is ``None`` is without a limit.

    Args:
        max_pending: How many messages may wait.
        max_pending_bytes: How much may wait, in bytes.
        on_full: What becomes of a message, or of the oldest one, beyond that.
        in_doubt: What becomes of messages that were sent and not confirmed over a connection that
            is lost.
        max_unconfirmed: How many messages may be sent and not confirmed.
        max_unconfirmed_bytes: How much of them, in bytes; one message may always be.
        clock: Gives the time in seconds.

    Raises:
        ValueError: An argument makes no sense.
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        checks.choice("on_full", on_full, ("raise", "wait", "drop-oldest", "drop-newest"))
        checks.choice("in_doubt", in_doubt, ("resend", "drop"))
        self._max_pending = checks.bound("max_pending", max_pending)
        self._max_pending_bytes = checks.bound("max_pending_bytes", max_pending_bytes)
        self._max_unconfirmed = checks.bound("max_unconfirmed", max_unconfirmed, least=1)
        self._max_unconfirmed_bytes = checks.bound(
            "max_unconfirmed_bytes", max_unconfirmed_bytes, least=1
        )
        self._on_full = on_full
        self._in_doubt = in_doubt
        self.keeps_unconfirmed = False
        """Whether nothing is in doubt when a connection is lost: the other side knows better."""
        # How much of that is made use of. As in TCP it grows with each confirmation, and shrinks
        # when a connection is lost: over connections that do not last, a window that is too large
        # would be sent again and again, and never be confirmed.
        self._window = self._max_unconfirmed
        self._window_bytes = self._max_unconfirmed_bytes
        self.clock = clock
        self._waiting: deque[Delivery] = deque()
        # Sent and not confirmed, in the order of sending; those with a key apart.
        self._sent: deque[Delivery] = deque()
        # From their first sending until they are over, also while they wait again.
        self._by_key: dict[Hashable, deque[Delivery]] = {}
        self._has_logged = False
        self.stats = QueueStats()
        self.pending_bytes = 0
        self.unconfirmed = 0
        self.unconfirmed_bytes = 0
        self.next_expiry: float | None = None
        """When the next message expires that waits, about."""
        self.sent = 0
        """How many messages were sent over this connection."""
        self.sent_bytes = 0
        """How many bytes they had."""

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or sent again."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Any]:
        return (delivery.message for delivery in tuple(self._waiting))

    def is_full(self, size: int) -> bool:
        """Whether a message of ``size`` bytes may not wait."""
        return (
            len(self._waiting) >= self._max_pending
            or self.pending_bytes + size > self._max_pending_bytes
        )

    def is_clear(self, size: int) -> bool:
        """Whether a message of ``size`` bytes would have to wait for no other."""
        return not self._waiting and self._fits(self.unconfirmed, self.unconfirmed_bytes, size)

    @property
    def is_ready(self) -> bool:
        """Whether to :meth:`take` may do something now."""
        waiting = self._waiting
        if not waiting or self.next_expiry is not None:
            return bool(waiting)
        return self._fits(self.unconfirmed, self.unconfirmed_bytes, waiting[0].size)

    @property
    def has_unkeyed(self) -> bool:
        """Whether some of what is unconfirmed has no key."""
        return bool(self._sent)

    @property
    def is_window_half_full(self) -> bool:
        """Whether it is time to ask for confirmations, so that sending need not pause."""
        return (
            self.unconfirmed * 2 >= self._window or self.unconfirmed_bytes * 2 >= self._window_bytes
        )

    def accept(
        self,
        message: Any,
        size: int,
        *,
        ttl: float | None = None,
        key: Hashable = None,
    ) -> Delivery:
        """Takes in a message that is to wait.

        Args:
            message: What is to be sent.
            size: How long it is, in bytes.
            ttl: How long it may wait, in seconds.
            key: What an acknowledgement will call it; ``None`` for one without.

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
        *,
        ttl: float | None = None,
        key: Hashable = None,
        is_transient: bool = False,
    ) -> Delivery:
        """Takes in a message that is being sent now, since it has to wait for no other.

        With ``is_transient`` it is for this connection only.
        """
        delivery = Delivery(message, size, key)
        if key is None:
            self._sent.append(delivery)
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

    def take(self, at_most: int | None = None) -> list[Delivery]:
        """What is to be sent now, in this order, at most so many; it counts as sent."""
        if self.next_expiry is not None:
            self.expire()
        waiting = self._waiting
        if (
            at_most is None
            and self.unconfirmed + len(waiting) <= self._window
            and self.unconfirmed_bytes + self.pending_bytes <= self._window_bytes
        ):
            batch = list(waiting)
            waiting.clear()
            self.pending_bytes = 0
            self.next_expiry = None
            self._start(batch)
            return batch
        batch = []
        count, total = self.unconfirmed, self.unconfirmed_bytes
        while waiting and len(batch) != at_most and self._fits(count, total, waiting[0].size):
            delivery = waiting.popleft()
            count += 1
            total += delivery.size
            batch.append(delivery)
        self.pending_bytes -= total - self.unconfirmed_bytes
        self._start(batch)
        return batch

    def confirm_bytes(self, count: int) -> None:
        """The first ``count`` bytes of this connection have left the page."""
        sent = self._sent
        if count >= self.sent_bytes:
            self._confirm_first(len(sent), "left the page")
        else:
            left = itertools.takewhile(lambda delivery: delivery._end <= count, sent)
            self._confirm_first(sum(1 for _ in left), "left the page")

    def confirm_before(self, index: int, evidence: Evidence) -> None:
        """The other side has the first ``index`` messages of this connection.

        Those with a key are still to be acknowledged.
        """
        before = itertools.takewhile(lambda delivery: delivery._index < index, self._sent)
        self._confirm_first(sum(1 for _ in before), evidence)

    def confirm_keys(self, keys: Iterable[Hashable]) -> None:
        """The other side has acknowledged messages with these keys, the oldest of each.

        It then has all that was sent before them, of which those without a key are confirmed too.
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
            # It may have come over the connection before: what is for this one may not have.
            transient = list(itertools.takewhile(lambda sent: sent._is_transient, self._sent))
            for _ in transient:
                self._sent.popleft()
            self.confirm_before(newest_again, "acknowledged")
            self._sent.extendleft(reversed(transient))

    def limit(self, messages: int, size: int) -> None:
        """No more may be unconfirmed than so many messages, and ``size`` bytes, either."""
        self._max_unconfirmed = min(self._max_unconfirmed, messages)
        self._max_unconfirmed_bytes = min(self._max_unconfirmed_bytes, size)
        self._window = min(self._window, self._max_unconfirmed)
        self._window_bytes = min(self._window_bytes, self._max_unconfirmed_bytes)

    def limit_pending(self, size: int) -> None:
        """No more may wait than ``size`` bytes, either."""
        self._max_pending_bytes = min(self._max_pending_bytes, size)

    def mark_sent(self, messages: Iterable[Any]) -> None:
        """Those of ``messages`` that wait, before all others, were sent by another one."""
        waiting, batch = self._waiting, []
        for message in messages:
            if waiting and waiting[0].message is message:
                batch.append(waiting.popleft())
        self.pending_bytes -= sum(delivery.size for delivery in batch)
        self._start(batch)

    def resend_from(self, index: int) -> list[Delivery]:
        """What is unconfirmed from ``index`` on, which is being sent again, over a new connection
        that goes on where the last one was lost.
        """
        first = self._sent[0]._index if self._sent else 0
        again = list(itertools.islice(self._sent, max(0, index - first), None))
        self.stats.sent += len(again)
        self.stats.resent += len(again)
        return again

    def restore(self, sent: int, messages: Iterable[tuple[Any, int]]) -> list[Delivery]:
        """Goes on, newly made, where another one has been after ``sent`` messages were confirmed.

        Args:
            sent: How many that were.
            messages: What was sent and not confirmed after these, with the size in bytes.
        """
        self.sent = sent
        restored = [self.accept_sent(message, size) for message, size in messages]
        self.stats.sent -= len(restored)
        return restored

    def connection_lost(self, reason: DropReason | None = None) -> None:
        """What was sent over it and is not confirmed is in doubt; or dropped, for ``reason``."""
        if reason is None and self.keeps_unconfirmed:
            return
        keyed = (d for deliveries in self._by_key.values() for d in deliveries if d._index >= 0)
        lost = sorted(itertools.chain(self._sent, keyed), key=lambda delivery: delivery._index)
        self._sent.clear()
        if lost:
            self._window = min(max(self.unconfirmed // 2, _LEAST_WINDOW), self._max_unconfirmed)
            self._window_bytes = min(
                max(self.unconfirmed_bytes // 2, _LEAST_WINDOW_BYTES), self._max_unconfirmed_bytes
            )
        self.unconfirmed = self.unconfirmed_bytes = self.sent = self.sent_bytes = 0
        again, dropped = [], []
        for delivery in lost:
            delivery._index = -1
            if reason or delivery._is_transient or self._in_doubt == "drop":
                dropped.append(delivery)
                continue
            again.append(delivery)
            self.pending_bytes += delivery.size
            if delivery._expires is not None:
                self._expect_expiry(delivery._expires)
        self._waiting.extendleft(reversed(again))
        for delivery in dropped:
            why: DropReason = "connection lost" if delivery._is_transient else "in doubt"
            self._drop(delivery, reason or why)

    def expire(self) -> None:
        """Drops what has waited for longer than it may."""
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
        """The messages that are neither confirmed nor dropped, in the order of their sending."""
        return [delivery.message for delivery in itertools.chain(self._sent, self._waiting)]

    def clear(self, reason: DropReason) -> int:
        """Drops all that waits, and says how many messages that were."""
        waiting, self._waiting = self._waiting, deque()
        self.pending_bytes = 0
        self.next_expiry = None
        for delivery in waiting:
            self._drop(delivery, reason)
        return len(waiting)

    def _expect_expiry(self, expires: float) -> None:
        if self.next_expiry is None or expires < self.next_expiry:
            self.next_expiry = expires

    def _fits(self, count: int, total: int, size: int) -> bool:
        """Whether beside ``count`` messages of ``total`` bytes one more fits into the window."""
        return count == 0 or (count < self._window and total + size <= self._window_bytes)

    def _make_room(self, delivery: Delivery) -> bool:
        """Whether there is room for ``delivery`` then; if not, it has been dropped.

        Raises:
            QueueFull: The caller is to know.
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
        """``batch`` is being sent, after all that was."""
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
        """Confirms so many of those without a key, the oldest."""
        popleft = self._sent.popleft
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
        """Takes a message that was in doubt from those that wait, with what was sent before it."""
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
        self._window = min(self._window + count, self._max_unconfirmed)
        self._window_bytes = min(self._window_bytes + size, self._max_unconfirmed_bytes)

    def _drop(self, delivery: Delivery, reason: DropReason) -> None:
        if delivery.state is SENT and delivery._key is not None:
            deliveries = self._by_key[delivery._key]
            deliveries.remove(delivery)
            if not deliveries:
                del self._by_key[delivery._key]
        self.stats.dropped[reason] = self.stats.dropped.get(reason, 0) + 1
        if not (self._has_logged or delivery._waiters or reason in ("aborted", "cleared")):
            self._has_logged = True
            _logger.warning(
                "a message of %d bytes was dropped (%s), and nobody awaits its Delivery; "
                "further ones are only counted, in stats.dropped",
                delivery.size,
                reason,
            )
        delivery._finish(DROPPED, reason)
