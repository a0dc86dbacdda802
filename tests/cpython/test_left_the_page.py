"""How often a queue looks at what has left the page: in each turn only while something waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import Delivery
from readystate.queue import confirmations
from readystate.queue.confirmations import LeftThePage
from tests.unit.outboxes import make_outbox

MESSAGES = 100


class Carrier:
    """A connection whose buffer empties by one byte each time somebody looks."""

    owner = "the test"
    is_open = True

    def __init__(self) -> None:
        self.looks = 0
        self.is_stuck = False
        self.amount = MESSAGES * 10
        self.left = LeftThePage(make_outbox())
        self.left.bind(self)
        deliveries = [self.left.outbox.accept_clear("x" * 10, 10) for _ in range(MESSAGES)]
        self.deliveries: list[Delivery] = [delivery for delivery in deliveries if delivery]
        self.left.sent()

    @property
    def buffered_amount(self) -> int:
        self.looks += 1
        self.amount -= not self.is_stuck
        return self.amount

    def flush(self) -> None:
        self.left.flushed()

    def transmit(self, messages: list[Any], size: int = 0) -> None:
        raise NotImplementedError

    def resend(self, messages: list[Any], size: int) -> None:
        raise NotImplementedError

    def fail(self, error: Exception) -> None:
        raise error


class Never:
    """A timer whose time does not come, however slow the machine is."""

    def __init__(self, *_: object) -> None:
        pass

    def cancel(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _without_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmations, "UnthrottledTimer", Never)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_buffer_that_empties_slowly_is_looked_at_now_and_then() -> None:
    carrier = Carrier()
    await turns(20)
    assert carrier.looks == 2
    carrier.left.lost()


@pytest.mark.parametrize("first", [True, False])
async def test_in_each_turn_while_a_task_waits(first: bool) -> None:
    carrier = Carrier()

    async def wait(delivery: Delivery) -> None:
        await delivery

    task = asyncio.ensure_future(wait(carrier.deliveries[0 if first else -1]))
    await turns(20)
    assert 9 <= carrier.looks <= 20
    assert task.done() is first
    task.cancel()
    carrier.left.lost()


async def test_soon_when_a_message_begins_to_wait() -> None:
    carrier = Carrier()
    await turns(20)
    carrier.left.outbox.accept("waits", 5)
    carrier.flush()
    await turns(2)
    assert carrier.looks >= 3
    await turns(20)
    assert carrier.looks >= 20  # and so on, until there is room
    assert carrier.deliveries[0].reason == "left the page"
    carrier.left.lost()


async def test_soon_when_a_task_begins_to_wait_for_all() -> None:
    carrier = Carrier()
    await turns(20)
    carrier.left.wanted()
    await turns(2)
    assert carrier.looks >= 3
    await turns(20)
    assert carrier.looks >= 20
    carrier.left.lost()


async def test_not_in_each_turn_while_nothing_leaves_though_a_task_asks_again_and_again() -> None:
    carrier = Carrier()
    await turns(20)
    carrier.is_stuck = True
    for _ in range(20):
        carrier.left.wanted()
        await turns(1)
    assert carrier.looks == 3  # and then after 1, 2, 4 ... 50 ms
    carrier.left.lost()


async def test_soon_after_the_first_message_that_is_sent_anew() -> None:
    carrier = Carrier()
    await turns(20)
    carrier.left.lost()
    carrier.left.sent()
    await turns(20)
    assert carrier.looks == 4
    carrier.left.lost()
