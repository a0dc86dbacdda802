"""What happens to a page, and connections that come back.

What is done about it is shown in tests/cpython, with a page that is made up; here it is that the
events of a browser are those, and that the network is really gone. test_worker.py has the worker's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import Backoff, QueuedWebSocket, State, StateChange
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import new_id, url
from tests.faults import check, send_through

FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""
TIMEOUT = 150
MANY = 1_000


def dispatch(type: str, **options: Any) -> None:
    """Has the page believe that this has happened."""
    import js
    from pyodide.ffi import to_js

    Kind = js.PageTransitionEvent if options else js.Event  # noqa: N806
    event = Kind.new(type, to_js(options, dict_converter=js.Object.fromEntries))
    (js.document if type == "resume" else js.globalThis).dispatchEvent(event)


async def waiting() -> QueuedWebSocket:
    """One whose connection has been lost, and that waits as good as for ever."""
    paths = iter(["/ws/close?code=1012"])
    ws = QueuedWebSocket(
        lambda: url(next(paths, "/ws/echo")), backoff=Backoff(60, 60, jitter=0), close_timeout=0
    )
    ws.start()
    async for change in ws.states():
        if change.state is State.WAITING and change.error is not None:
            return ws
    raise AssertionError(f"{ws} never waited")


@pytest.mark.parametrize("type", ["online", "pageshow", "resume"])
@in_browser
async def test_what_comes_back_connects_at_once(type: str) -> None:
    async with asyncio.timeout(30):
        ws = await waiting()
        dispatch(type, **({"persisted": True} if type == "pageshow" else {}))
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 1
        await ws.close()


@pytest.mark.parametrize("type", ["offline", "pageshow"])
@in_browser
async def test_what_does_not_bring_it_back(type: str) -> None:
    """A page that is shown for the first time was not away."""
    ws = await waiting()
    dispatch(type, **({"persisted": False} if type == "pageshow" else {}))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (ws.state, ws.stats.attempts) == (State.WAITING, 1)
    await ws.close()


@in_browser
async def test_after_the_end_it_listens_to_nothing() -> None:
    """A listener that was left would complain on the console."""
    changes: list[StateChange] = []
    ws = QueuedWebSocket(url("/ws/echo"), on_state=changes.append)
    ws.start()
    ws.abort()
    await asyncio.sleep(0)
    dispatch("online")
    dispatch("offline")
    assert changes[-1].state is State.CLOSED


@pytest.mark.parametrize(
    ("confirmation", "kind"), [("heartbeat", "text"), ("acks", "binary"), ("none", "text")]
)
def test_the_page_is_offline(
    runtime: Runtime, failing: Server, confirmation: str, kind: str
) -> None:
    """It waits for long then, and no longer than until it is online again."""
    id, before = new_id(), MANY // 2
    wait = runtime.start(
        send_through,
        timeout=TIMEOUT,
        base=failing.ws_url(""),
        id=id,
        # Firefox does not hold up a connection that is there; so this one ends, if it is reached.
        plan=[{"fault": "drop", "after": before + 1}],
        confirmation=confirmation,
        kind=kind,
        steps=[
            ("put", before),
            ("tell", "offline"),
            ("until", "offline"),
            ("put", MANY - before),
            ("until waiting", FOREVER),
            ("tell", "online"),
            ("until", "online"),
        ],
        # Chromium does: nothing arrives any more.
        pulse=(0.2, 1),
        backoff=(0.01, FOREVER, 1.0),
    )
    page = runtime.page
    try:
        page.wait_for_selector("body[data-phase=offline]", state="attached", timeout=60_000)
        page.context.set_offline(True)
        page.wait_for_selector("body[data-phase=online]", state="attached", timeout=60_000)
    finally:
        page.context.set_offline(False)
    result = wait()
    check(failing, id, result, confirmation, kind)
    assert result["longest_delay"] == FOREVER
