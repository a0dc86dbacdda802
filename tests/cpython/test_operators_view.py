"""What an operator sees of a server's sessions: how many, how old, what is refused, and health."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from readystate import Backoff, ConnectionClosedError, QueuedWebSocket, State, StateChange
from readystate_server.sessions import MemoryStore
from readystate_server.sessions.stats import Ages, Refusals, StoreHealth
from readystate_server.testing.inpage import until
from tests.server.session_server import listen

from .test_slow_clients import serving


def queue(url: str, **options: Any) -> QueuedWebSocket:
    return QueuedWebSocket(url, session=True, backoff=Backoff(0.01, 0.01), **options)


async def test_sessions_are_counted_by_what_they_do() -> None:
    async with serving(listen) as (url, sessions), queue(url) as ws:
        await ws.send("x")
        stats = sessions.stats
        assert (stats.connected, stats.disconnected, stats.opened) == (1, 0, 1)
        ws._supervisor.dead("nothing is heard")
        await until(lambda: sessions.stats.resumed == 1)
        async with queue(url) as other:
            await other.send("x")
            assert sessions.stats.connected == 2
        await until(lambda: sessions.stats.connected == 1)
        assert sessions.stats.opened == 2
        assert sessions.stats.refused == {}
        assert sessions.health()
        assert sessions.health().problems == ()


async def test_a_session_too_many_is_refused_clearly_at_both_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "readystate"):
        async with serving(listen, max_sessions=1) as (url, sessions), queue(url) as first:
            await first.send("x")
            health = sessions.health()
            assert not health
            assert "max_sessions" in health.problems[0]
            async with queue(url) as second:
                errors = []
                async for change in second.states():
                    if change.state is State.WAITING:
                        errors.append(change.error)
                    if len(errors) == 4:
                        break
                second.abort()
            for error in errors[1:]:
                assert isinstance(error, ConnectionClosedError)
                assert (error.code, error.reason) == (
                    1013,
                    "too many sessions: try again later (max_sessions)",
                )
            assert sessions.stats.refused["max_sessions"] >= 3
    lines = [line for line in caplog.messages if "max_sessions" in line]
    assert len(lines) == 1


async def test_a_session_that_is_resumed_too_often_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reasons: list[str] = []

    def on_state(change: StateChange) -> None:
        if isinstance(change.error, ConnectionClosedError) and change.error.code == 1013:
            reasons.append(change.error.reason)

    async with (
        serving(listen, resume_burst=1, resume_rate=0) as (url, sessions),
        queue(url, on_state=on_state) as ws,
    ):
        await ws.send("x")
        ws._supervisor.dead("nothing is heard")
        await ws.send("y")
        assert sessions.stats.resumed == 1
        ws._supervisor.dead("nothing is heard")
        await until(lambda: len(reasons) > 1)
        ws.abort()
        assert sessions.stats.refused["resume_rate"] >= 2
    assert set(reasons) == {"a session was resumed too often: try again later (resume_rate)"}
    assert len([line for line in caplog.messages if "resume_rate" in line]) == 1


async def test_a_store_that_is_out_of_order_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        is_broken = True

        async def create(self, *arguments: Any) -> int:
            if self.is_broken:
                raise ConnectionRefusedError("no store here")
            return await super().create(*arguments)

    def on_state(change: StateChange) -> None:
        if change.error is not None:
            errors.append(change.error)

    errors: list[Exception] = []
    store = Broken()
    async with (
        serving(listen, store=store) as (url, sessions),
        queue(url, on_state=on_state) as ws,
    ):
        await until(lambda: not sessions.health())
        (problem,) = sessions.health().problems
        assert "ConnectionRefusedError: no store here" in problem
        await until(lambda: sessions.stats.refused.get("store", 0) > 1)
        assert sessions.stats.store_failures == sessions.stats.refused["store"]
        assert [line for line in caplog.messages if "no store here" in line] == caplog.messages[:1]
        store.is_broken = False
        await ws.send("x")
        assert sessions.health()
    refusal = errors[0]
    assert isinstance(refusal, ConnectionClosedError)
    assert refusal.code == 1013
    assert refusal.reason == "the session store fails: try again later"


async def test_a_server_that_goes_away_is_not_healthy() -> None:
    async with serving(listen) as (_, sessions):
        await sessions.close()
        assert not sessions.health()


def test_the_age_is_that_of_the_oldest_message() -> None:
    now = 0.0
    ages = Ages(lambda: now)
    for number, now in enumerate((0.0, 0.1, 5.0, 5.1, 9.0), 1):  # noqa: B007
        ages.accepted(number, 0)
    now = 10.0
    assert [ages.oldest(count) for count in range(5)] == [10, 10, 5, 5, 1]


def test_failures_of_the_store_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    health = StoreHealth(lambda: now)
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):  # noqa: B007
        health.worked()
        health.failed(OSError("out of memory"))
    assert health.failures == 5
    first, second = caplog.messages
    assert "OSError: out of memory (1 failures" in first
    assert "(4 failures" in second


def test_refusals_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    with caplog.at_level(logging.WARNING, "readystate"):
        for now in (0.0, 1.0, 59.0, 60.0, 61.0):  # noqa: B007
            error = refusals.refuse("max_sessions", "too many sessions")
            assert error.code == 1013
        refusals.refuse("resume_rate", "a session is resumed too often")
    assert refusals.counts == {"max_sessions": 5, "resume_rate": 1}
    first, second, other = [record.getMessage() for record in caplog.records]
    assert "1 refused" in first
    assert "3 refused" in second
    assert "resume_rate" in other
