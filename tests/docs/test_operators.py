"""The guide's answers for a probe and for Prometheus, as they stand there."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from readystate_server.sessions import ServerSession, Sessions

from .pages import DOCS, blocks

_LINE = re.compile(r'sessions_([a-z_]+)(\{limit="[a-z_]+"\})? [0-9.e+-]+')
"""What the text format of Prometheus allows, and these metrics use."""


async def handler(session: ServerSession) -> None:
    async for _ in session:
        pass


def recipe(sessions: Sessions) -> dict[str, Any]:
    """The functions of the guide, with ``sessions``."""
    page = blocks(DOCS / "sessions.md", "python")
    (code,) = (block.text for block in page if "For Prometheus" in block.text)
    names: dict[str, Any] = {"sessions": sessions}
    exec(code, names)  # noqa: S102 - the code of our own documentation
    return names


async def test_all_statistics_reach_prometheus() -> None:
    sessions = Sessions(handler)
    sessions._refusals.refuse("max_sessions", "too many sessions")
    answer = recipe(sessions)
    assert (await answer["ready"](None)).status == 200
    lines = (await answer["metrics"](None)).text.splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    names = {match[1] for match in found if match is not None}
    assert names == {field.name for field in dataclasses.fields(sessions.stats)}
    assert 'sessions_refused{limit="max_sessions"} 1' in lines
    await sessions.close()


async def test_a_server_that_goes_away_is_not_ready_and_says_why() -> None:
    sessions = Sessions(handler)
    await sessions.close()
    ready = await recipe(sessions)["ready"](None)
    assert (ready.status, ready.text) == (503, "the server is going away: close() was called")
