"""What an operator sees of a server's sessions: what is refused and why, how old, and health.

How many there are is in tests/server/test_session_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from readystate_server.sessions import MemoryStore
from readystate_server.sessions.stats import Ages, Refusals, StoreHealth
from tests.server.session_server import OPEN, hooked, listen, resume, serving

LIMITS: dict[str, tuple[dict[str, Any], Callable[[str], str], str, bool]] = {
    "max_sessions": ({"max_sessions": 1}, lambda _: OPEN, "too many sessions", False),
    "resume_rate": (
        {"resume_burst": 1, "resume_rate": 0},
        resume,
        "a session was resumed too often",
        True,
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_who_is_one_too_many_is_told_why_counted_and_logged_once(
    limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    options, first, why, is_healthy = LIMITS[limit]
    async with serving(listen, **options) as server:
        _, secret = await server.open()
        await server.resume(secret)
        told = 1013, f"{why}: try again later ({limit})"
        assert [await server.refusal(first(secret)) for _ in range(3)] == [told] * 3
        assert server.sessions.stats.refused == {limit: 3}
        health = server.sessions.health()
        assert bool(health) is is_healthy
        assert all(limit in problem for problem in health.problems)
    assert sum(limit in message for message in caplog.messages) == 1


async def test_a_store_that_is_out_of_order_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    create = AsyncMock(side_effect=ConnectionRefusedError("no store here"))
    async with serving(listen, store=hooked(MemoryStore(), create=create)) as server:
        sessions = server.sessions
        refused = 1013, "the session store fails: try again later"
        assert [await server.refusal(OPEN) for _ in range(2)] == [refused] * 2
        (problem,) = sessions.health().problems
        assert "ConnectionRefusedError: no store here" in problem
        assert sessions.stats.store_failures == sessions.stats.refused["store"] == 2
        assert [line for line in caplog.messages if "no store here" in line] == caplog.messages[:1]
        create.side_effect = None
        await server.open()
        assert sessions.health()
        await sessions.close()
        assert not sessions.health()  # as it goes away


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
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):  # noqa: B007
        error = refusals.refuse("max_sessions", "too many sessions")
        assert error.code == 1013
    refusals.refuse("resume_rate", "a session is resumed too often")
    assert refusals.counts == {"max_sessions": 5, "resume_rate": 1}
    first, second, other = caplog.messages
    assert "1 refused" in first
    assert "3 refused" in second
    assert "resume_rate" in other
