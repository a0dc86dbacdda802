"""Awaiting what becomes of a message."""

from __future__ import annotations

import asyncio
import enum
import gc
import json
import sys
import warnings
from typing import Any

import pytest

from readystate import Delivery, DeliveryState, MessageDropped
from readystate.core.outbox import Outbox

from .outboxes import make_outbox


def one_message(message: Any = "message") -> tuple[Outbox, Delivery]:
    outbox = make_outbox(in_doubt="drop")
    return outbox, outbox.accept(message, 7)


async def begin(delivery: Delivery, results: list[Any]) -> asyncio.Task[None]:
    """A task that awaits ``delivery`` when this returns, and then says how that went."""

    async def wait() -> None:
        try:
            results.append(await delivery)  # type: ignore[func-returns-value]
        except MessageDropped as error:
            results.append(error)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    return task


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_state_is_its_name() -> None:
    assert [str(state) for state in DeliveryState] == ["QUEUED", "SENT", "CONFIRMED", "DROPPED"]
    assert issubclass(DeliveryState, enum.StrEnum)
    assert json.dumps(DeliveryState.QUEUED) == '"QUEUED"'


@pytest.mark.parametrize("message", ["a secret", b"binary", object()])
def test_it_has_what_was_accepted_and_shows_each_step(message: Any) -> None:
    outbox, delivery = one_message(message)
    assert delivery.message is message
    assert (delivery.size, delivery.state, delivery.reason) == (7, DeliveryState.QUEUED, None)
    assert repr(delivery) == "<Delivery of 7 bytes QUEUED>"
    outbox.take()
    assert repr(delivery) == "<Delivery of 7 bytes SENT>"
    outbox.confirm_bytes(7)
    assert repr(delivery) == "<Delivery of 7 bytes CONFIRMED (left the page)>"
    outbox, delivery = one_message()
    outbox.clear("closed")
    assert repr(delivery) == "<Delivery of 7 bytes DROPPED (closed)>"


async def test_any_number_of_tasks_await_a_confirmation_and_the_outbox_is_told_of_each() -> None:
    outbox, delivery = one_message()
    told: list[Any] = []
    results: list[Any] = []
    delivery._on_wanted = lambda: told.append(delivery.state)
    tasks = [await begin(delivery, results) for _ in range(3)]
    outbox.take()
    tasks.append(await begin(delivery, results))
    assert (results, told) == ([], ["QUEUED"] * 3 + ["SENT"])
    outbox.confirm_bytes(7)
    await asyncio.gather(*tasks)
    await delivery
    assert (results, len(told)) == ([None] * 4, 4)


async def test_each_of_several_tasks_is_told_that_it_was_dropped_also_later() -> None:
    outbox, delivery = one_message(b"data")
    results: list[Any] = []
    tasks = [await begin(delivery, results) for _ in range(2)]
    outbox.clear("aborted")
    await asyncio.gather(*tasks, await begin(delivery, results), await begin(delivery, results))
    assert [(error.reason, error.message) for error in results] == [("aborted", b"data")] * 4
    assert "aborted" in str(results[0])
    # Each has an exception of its own, as each adds its traceback.
    assert len({id(error) for error in results}) == 4


def test_what_is_over_can_be_awaited_without_a_turn_of_the_loop() -> None:
    outbox, delivery = one_message()
    outbox.take()
    outbox.confirm_bytes(7)
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(delivery.__await__())


@pytest.mark.parametrize("ends_in", ["CONFIRMED", "DROPPED"])
async def test_cancelling_one_who_waits_changes_nothing(ends_in: str) -> None:
    outbox, delivery = one_message()
    results: list[Any] = []
    tasks = [await begin(delivery, results) for _ in range(3)]
    await cancel(tasks[0])
    assert delivery.state == "QUEUED"
    assert outbox.take() == [delivery]
    await cancel(tasks[2])
    outbox.confirm_bytes(7 if ends_in == "CONFIRMED" else 0)
    outbox.connection_lost()
    await tasks[1]
    assert delivery.state == ends_in
    assert len(results) == 1
    # And one who comes later learns it too.
    await (await begin(delivery, results))
    assert [type(result) for result in results] == [type(results[0])] * 2


@pytest.mark.parametrize("is_cancelled_first", [False, True])
async def test_cancelled_in_the_turn_in_which_it_ends(is_cancelled_first: bool) -> None:
    outbox, delivery = one_message()
    results: list[Any] = []
    cancelled, other = await begin(delivery, results), await begin(delivery, results)
    outbox.take()
    if is_cancelled_first:
        cancelled.cancel()
    outbox.confirm_bytes(7)
    await cancel(cancelled)
    await other
    assert results == [None]
    assert delivery.state == "CONFIRMED"


@pytest.mark.parametrize("ends_in", ["QUEUED", "SENT", "CONFIRMED", "DROPPED"])
@pytest.mark.parametrize("was_awaited", [False, True])
def test_nobody_has_to_await_it(
    ends_in: str, was_awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        outbox, delivery = one_message()
        if was_awaited:
            await cancel(await begin(delivery, []))
        if ends_in != "QUEUED":
            outbox.take()
        if ends_in == "CONFIRMED":
            outbox.confirm_bytes(7)
        if ends_in == "DROPPED":
            outbox.connection_lost()
        assert delivery.state == ends_in
        del outbox, delivery
        gc.collect()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()
    assert complaints == []
