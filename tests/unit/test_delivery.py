"""Awaiting what becomes of a message."""

from __future__ import annotations

import asyncio
import enum
import gc
import json
import sys
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest

from readystate import Delivery, DeliveryState, MessageDropped
from readystate.core.outbox import Outbox


def one_message(message: Any = "message", size: int = 7) -> tuple[Outbox, Delivery]:
    outbox = Outbox(
        max_pending=None,
        max_pending_bytes=None,
        on_full="raise",
        in_doubt="drop",
        max_unconfirmed=10,
        max_unconfirmed_bytes=100,
    )
    return outbox, outbox.accept(message, size)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Nothing here takes time: what does would take for ever."""
    asyncio.run(asyncio.wait_for(main, 10))


async def begin(delivery: Delivery, results: list[Any]) -> asyncio.Task[None]:
    """A task that awaits ``delivery`` when this returns, and then says how that went."""
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            results.append(await delivery)  # type: ignore[func-returns-value]
        except MessageDropped as error:
            results.append(error)

    task = asyncio.create_task(wait())
    await begun.wait()
    return task


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_state_is_its_name() -> None:
    assert [str(state) for state in DeliveryState] == ["QUEUED", "SENT", "CONFIRMED", "DROPPED"]
    assert issubclass(DeliveryState, enum.StrEnum)
    _, delivery = one_message()
    assert delivery.state == "QUEUED"
    assert delivery.state is DeliveryState.QUEUED
    assert json.dumps(delivery.state) == '"QUEUED"'


@pytest.mark.parametrize("message", ["text", b"binary", object()])
def test_it_has_what_was_accepted(message: Any) -> None:
    _, delivery = one_message(message, 12)
    assert delivery.message is message
    assert (delivery.size, delivery.reason) == (12, None)


def test_each_step_shows() -> None:
    outbox, delivery = one_message()
    assert repr(delivery) == "<Delivery of 7 bytes QUEUED>"
    outbox.take()
    assert repr(delivery) == "<Delivery of 7 bytes SENT>"
    outbox.confirm_bytes(7)
    assert repr(delivery) == "<Delivery of 7 bytes CONFIRMED (left the page)>"
    assert "secret" not in repr(one_message("a secret")[1])


def test_it_has_a_reason_when_it_is_dropped() -> None:
    outbox, delivery = one_message()
    outbox.clear("closed")
    assert (delivery.state, delivery.reason) == ("DROPPED", "closed")
    assert repr(delivery) == "<Delivery of 7 bytes DROPPED (closed)>"


def test_any_number_of_tasks_await_a_confirmation() -> None:
    async def main() -> None:
        outbox, delivery = one_message()
        results: list[Any] = []
        tasks = [await begin(delivery, results) for _ in range(3)]
        outbox.take()
        tasks.append(await begin(delivery, results))
        assert results == []
        outbox.confirm_bytes(7)
        await asyncio.gather(*tasks)
        assert results == [None] * 4

    run(main())


def test_each_of_several_tasks_is_told_that_it_was_dropped() -> None:
    async def main() -> None:
        outbox, delivery = one_message(b"data")
        results: list[Any] = []
        tasks = [await begin(delivery, results) for _ in range(3)]
        outbox.clear("aborted")
        await asyncio.gather(*tasks)
        assert [(error.reason, error.message) for error in results] == [("aborted", b"data")] * 3
        # Each has an exception of its own, as each adds its traceback.
        assert len({id(error) for error in results}) == 3

    run(main())


def test_it_can_be_awaited_again_and_when_it_is_over() -> None:
    async def main() -> None:
        outbox, confirmed = one_message()
        outbox.take()
        outbox.confirm_bytes(7)
        outbox, dropped = one_message("text")
        outbox.clear("cleared")
        for _ in range(2):
            await confirmed
            with pytest.raises(MessageDropped, match="cleared") as caught:
                await dropped
            assert (caught.value.reason, caught.value.message) == ("cleared", "text")

    run(main())


def test_what_is_over_is_awaited_without_a_turn_of_the_loop() -> None:
    outbox, delivery = one_message()
    outbox.take()
    outbox.confirm_bytes(7)
    with pytest.raises(StopIteration):
        next(delivery.__await__())


@pytest.mark.parametrize("ends_in", ["CONFIRMED", "DROPPED"])
def test_cancelling_one_who_waits_changes_nothing(ends_in: str) -> None:
    async def main() -> None:
        outbox, delivery = one_message()
        results: list[Any] = []
        tasks = [await begin(delivery, results) for _ in range(3)]
        await cancel(tasks[0])
        assert delivery.state == "QUEUED"
        assert outbox.take() == [delivery]
        await cancel(tasks[2])
        if ends_in == "CONFIRMED":
            outbox.confirm_bytes(7)
        else:
            outbox.connection_lost()
        await tasks[1]
        assert delivery.state == ends_in
        assert len(results) == 1
        # And one who comes later learns it too.
        await (await begin(delivery, results))
        assert [type(result) for result in results] == [type(results[0])] * 2

    run(main())


def test_cancelled_after_the_end_but_before_its_turn() -> None:
    async def main() -> None:
        outbox, delivery = one_message()
        results: list[Any] = []
        cancelled, other = await begin(delivery, results), await begin(delivery, results)
        outbox.take()
        outbox.confirm_bytes(7)
        await cancel(cancelled)
        await other
        assert results == [None]
        assert delivery.state == "CONFIRMED"

    run(main())


def test_giving_up_after_a_time_and_waiting_again() -> None:
    async def main() -> None:
        outbox, delivery = one_message()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await delivery
        task = asyncio.ensure_future(delivery)
        outbox.take()
        outbox.confirm_bytes(7)
        await asyncio.wait_for(task, 10)
        await asyncio.gather(delivery, delivery)

    run(main())


def test_who_asks_for_confirmations_is_told_when_somebody_waits() -> None:
    async def main() -> None:
        outbox, delivery = one_message()
        told = []
        delivery._on_wanted = lambda: told.append(delivery.state)
        results: list[Any] = []
        tasks = [await begin(delivery, results)]
        outbox.take()
        tasks.append(await begin(delivery, results))
        assert told == ["QUEUED", "SENT"]
        outbox.confirm_bytes(7)
        await asyncio.gather(*tasks)
        await delivery
        assert told == ["QUEUED", "SENT"]

    run(main())


@pytest.mark.parametrize("ends_in", ["QUEUED", "SENT", "CONFIRMED", "DROPPED"])
@pytest.mark.parametrize("was_awaited", [False, True])
def test_nobody_has_to_await_it(
    ends_in: str, was_awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: complaints.append(context)
        )
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
        run(main())
        gc.collect()
    assert complaints == []
