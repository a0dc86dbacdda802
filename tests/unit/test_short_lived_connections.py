"""Connections that die after a few messages each: all is confirmed in the end, and soon.

Sessions too, see test_session_core.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readystate import Acks, Backoff, Delivery, DeliveryState
from readystate.core.confirmation import Confirmation
from readystate.core.outbox import Outbox
from readystate.core.reconnector import Reconnector
from readystate.core.window import SendWindow
from readystate.queue.confirmations import Acknowledgements, HeartbeatReplies

from .outboxes import Clock, make_outbox

PING, PONG = "ping", "pong"
PATIENCE = 5
"""After how many attempts in a row that were of no use it is given up."""


class Client:
    """What sends an outbox to a server that reads so many messages of each connection, replies to
    each in turn, and is gone; its own carrier, and heart.
    """

    owner = "the test"
    buffered_amount = 0
    is_open = True

    def __init__(
        self, outbox: Outbox, confirmation: Confirmation, reply: Callable[[str], str | None]
    ) -> None:
        self.outbox, self.confirmation, self.reply = outbox, confirmation, reply
        self.marks: deque[int] = deque()
        self.replies: deque[str] = deque()
        self.left = self.frames = 0
        confirmation.bind(self, self)

    def send(self, message: str) -> None:
        self.frames += 1
        if self.left > 0:
            self.left -= 1
            if (reply := self.reply(message)) is not None:
                self.replies.append(reply)

    def fail(self, error: Exception) -> None:
        raise error

    def answered(self) -> None:
        """It beats no faster for that."""

    def flush(self) -> None:
        for at_most in (16, None):
            for delivery in self.outbox.take(at_most):
                self.send(delivery.message)
        self.confirmation.flushed()

    def transmit(self, messages: list[Any], size: int = 0) -> None:
        raise NotImplementedError

    resend = transmit

    @property
    def awaits_reply(self) -> bool:
        return bool(self.marks)

    def request(self) -> None:
        self.send(PING)
        self.marks.append(self.outbox.sent)
        self.confirmation.asked()

    def replied(self) -> int | None:
        return self.marks.popleft() if self.marks else None

    def run(self, count: int, on_open: int) -> None:
        """One connection, from its beginning to its end."""
        self.left = count
        self.marks.clear()
        self.replies.clear()
        for number in range(on_open):
            self.outbox.accept_sent(f"open {number}", 6, is_transient=True)
            self.send("open")
        self.confirmation.connected()
        self.flush()
        while self.replies:
            self.confirmation.received([self.replies.popleft()])
        self.confirmation.lost()
        self.outbox.connection_lost()


def all_confirmed(client: Client, deliveries: list[Delivery], count: int, on_open: int) -> None:
    """Connects until everything is confirmed, which has to be before it is given up."""
    clock = Clock()
    # What each connection lasts for is not what makes it one.
    backoff = Backoff(0.5, 30, jitter=0)
    reconnector = Reconnector(backoff, max_attempts=PATIENCE, clock=clock)
    while any(delivery.state is not DeliveryState.CONFIRMED for delivery in deliveries):
        reconnector.begin()
        reconnector.connected()
        before = client.outbox.stats.confirmed
        client.run(count, on_open)
        if client.outbox.stats.confirmed > before:
            reconnector.progressed()
        delay = reconnector.ended()
        assert delay is not None, f"{reconnector.gave_up}: {client.outbox.stats}"
        clock.now += delay
        assert client.frames < 40_000 + 20 * len(deliveries), "it sends again and again"


def outbox_of(window: int = 2**14) -> Outbox:
    return make_outbox(max_unconfirmed=window, max_unconfirmed_bytes=2**24)


def key_of(message: str) -> str | None:
    return message if message.startswith("message") else None


def with_acks(outbox: Outbox) -> Client:
    """Its server acknowledges each message that has a key."""
    acks = Acks(key_of, lambda message: [message])
    return Client(outbox, Acknowledgements(outbox, acks, None), key_of)


def with_heartbeat(outbox: Outbox) -> Client:
    """Its server answers the heartbeat alone."""
    replies = HeartbeatReplies(outbox, lambda message: message == PONG)
    return Client(outbox, replies, lambda text: PONG if text == PING else None)


counts = st.integers(1, 12)


@pytest.mark.parametrize("make", [with_acks, with_heartbeat])
@settings(max_examples=60)
@given(
    messages=st.integers(1, 300),
    before_death=counts,
    on_open=st.integers(0, 3),
    size=st.sampled_from([0, 10, 100_000]),
    window=st.sampled_from([1, 4, 2**14]),
)
def test_all_is_confirmed(
    make: Callable[[Outbox], Client],
    messages: int,
    before_death: int,
    on_open: int,
    size: int,
    window: int,
) -> None:
    """One message and what confirms it are let through, beside what ``on_open`` sends."""
    outbox = outbox_of(window)
    client, has_keys = make(outbox), make is with_acks
    names = [f"message {number}" for number in range(messages)]
    deliveries = [outbox.accept(name, size, key=name if has_keys else None) for name in names]
    count = on_open + before_death + (not has_keys)
    all_confirmed(client, deliveries, count, on_open)


@settings(max_examples=30)
@given(keyless=st.integers(1, 40), before_death=counts)
def test_messages_without_a_key_hold_up_none_that_confirms_them(
    keyless: int, before_death: int
) -> None:
    outbox = outbox_of()
    client = with_acks(outbox)
    deliveries = [outbox.accept("no key", 6) for _ in range(keyless)]
    deliveries.append(outbox.accept("message", 7, key="message"))
    for _ in range(3):  # over which nothing gets through
        client.run(0, 0)
    all_confirmed(client, deliveries, keyless + before_death, 0)


@pytest.mark.parametrize(("lost", "left"), [((400, 2**19), (200, 2**18)), ((2, 100), (16, 2**16))])
def test_a_window_is_halved_by_one_loss_but_few_that_are_lost_do_not_make_it_small(
    lost: tuple[int, int], left: tuple[int, int]
) -> None:
    """The ledger of test_outbox.py has small windows, and tells the rest of them."""
    window = SendWindow(1000, 2**20)
    window.shrink(*lost)
    assert (window.messages, window.bytes) == left
