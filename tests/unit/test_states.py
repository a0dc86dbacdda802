"""The states of a queue, for those who follow them."""

from __future__ import annotations

import asyncio

from readystate import State, StateChange
from readystate.core.states import StateLog
from readystate_server.testing.inpage import turns

from .outboxes import Clock


async def followed(log: StateLog, seen: list[State]) -> None:
    async for change in log.follow():
        seen.append(change.state)


async def test_each_follower_sees_each_change_from_the_state_of_then() -> None:
    log = StateLog(Clock())
    early: list[State] = []
    late: list[State] = []
    slow = log.follow()
    cancelled = asyncio.ensure_future(followed(log, []))
    following = [asyncio.ensure_future(followed(log, early))]
    await turns()
    cancelled.cancel()  # which leaves the others alone
    for state in (State.CONNECTING, State.OPEN):
        log.change(StateChange(state))
    following.append(asyncio.ensure_future(followed(log, late)))
    await turns()
    assert (await anext(slow)).state is State.OPEN
    assert log.change(StateChange(State.CLOSED))
    await asyncio.gather(*following)
    assert early == [State.WAITING, State.CONNECTING, State.OPEN, State.CLOSED]
    assert late == [State.OPEN, State.CLOSED]
    assert [change.state async for change in slow] == [State.CLOSED]
    # After the end there is only that, and it is for good.
    assert [change.state async for change in log.follow()] == [State.CLOSED]
    assert not log.change(StateChange(State.OPEN))
