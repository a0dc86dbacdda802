"""How often a queue looks at what has left the page: in each turn only while something waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from readystate import Delivery
from readystate.queue import confirmations
from readystate.queue.confirmations import LeftThePage
from readystate_server.testing.inpage import turns
from tests.unit.outboxes import make_outbox

MESSAGES = 100


class Carrier:
    """A connection whose buffer empties by one byte each time somebody looks."""

    is_open = True

    def __init__(self) -> None:
        self.looks = 0
        self.is_stuck = False
        self.amount = MESSAGES * 10
        self.left = LeftThePage(make_outbox())
        carrier: Any = self
        self.left.bind(carrier)
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


@pytest.fixture(autouse=True)
def _without_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of none comes, however slow the machine is."""
    monkeypatch.setattr(confirmations, "UnthrottledTimer", Mock())


async def unhurried() -> Carrier:
    """It is looked at now and then, as nobody waits for what leaves slowly."""
    carrier = Carrier()
    await turns(20)
    assert carrier.looks == 2
    return carrier


@pytest.mark.parametrize("first", [True, False])
async def test_in_each_turn_while_a_task_waits(first: bool) -> None:
    carrier = Carrier()
    task = asyncio.ensure_future(carrier.deliveries[0 if first else -1])
    await turns(20)
    assert 9 <= carrier.looks <= 20
    assert task.done() is first


def accept(left: LeftThePage) -> None:
    left.outbox.accept("waits", 5)
    left.carrier.flush()


@pytest.mark.parametrize("wait", [accept, LeftThePage.wanted])
async def test_soon_when_a_message_or_a_task_begins_to_wait_for_all(
    wait: Callable[[LeftThePage], None],
) -> None:
    carrier = await unhurried()
    wait(carrier.left)
    await turns(2)
    assert carrier.looks >= 3
    await turns(20)
    assert carrier.looks >= 20  # and so on, until there is room
    assert carrier.deliveries[0].reason == "left the page"


async def test_not_in_each_turn_while_nothing_leaves_though_a_task_asks_again_and_again() -> None:
    carrier = await unhurried()
    carrier.is_stuck = True
    for _ in range(20):
        carrier.left.wanted()
        await turns(1)
    assert carrier.looks == 3  # and then after 1, 2, 4 ... 50 ms


async def test_soon_after_the_first_message_that_is_sent_anew() -> None:
    carrier = await unhurried()
    carrier.left.lost()
    carrier.left.sent()
    await turns(20)
    assert carrier.looks == 4
