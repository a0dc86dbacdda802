"""The short list that also runs in a worker.

Only there is Python without a window: no document, no page events, another event loop. That each
part works at all there is what these show, by cases of all engines; how it behaves is shown
elsewhere.
"""

from __future__ import annotations

import pytest

from readystate import (
    ConnectionClosedOK,
    DOMSyntaxError,
    QueuedWebSocket,
    Session,
    WebSocket,
    connect,
)
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser, inpage
from readystate_server.testing.inpage import closed, event, new_id, raises, url
from tests.browsers import ROOT
from tests.engines.cases import ALL
from tests.engines.cases.case import Report
from tests.engines.runner import MODULES
from tests.faults import check, send_through

FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""
CASES = (
    "send(text) while CONNECTING",
    "close(999)",
    "open",
    "the server closes with 4999 '😀'",
    "text beyond ASCII, there and back",
    "all bytes, there and back as bytes",
    "all bytes, there and back as a Blob",
    "an exception in a handler stops nothing",
    "connect(): a flood arrives in order, and iteration ends with it",
    "connect(): the end has a class, a code and a reason",
    "connect(): a handshake that fails",
    "SendQueue: what is sent while CONNECTING arrives, in order",
    "QueuedWebSocket: TCP is reset, text, confirmed by heartbeat",
    "a session over TCP aborts: each message once, both ways (text)",
)

pytestmark = [
    pytest.mark.parametrize("pyodide_place", ["worker"], indirect=True),
    pytest.mark.timeout(120),  # The first of them starts the browser, and Python in it.
]


@in_browser
async def test_it_is_a_worker() -> None:
    import js

    assert not hasattr(js, "document")


@pytest.fixture(scope="module")
def with_cases(pyodide_session: Runtime) -> None:
    """The worker has the modules of the cases."""
    pyodide_session.call(inpage.write, files={name: (ROOT / name).read_bytes() for name in MODULES})


async def hold(*, engine: str, failing: str, case: str) -> None:
    await ALL[case].function(Report(engine, failing))


@pytest.mark.usefixtures("with_cases")
@pytest.mark.parametrize("case", CASES)
def test_case(runtime: Runtime, failing: Server, browser_name: str, case: str) -> None:
    runtime.call(hold, timeout=90, engine=browser_name, failing=failing.ws_url(""), case=case)


@in_browser
async def test_relative_urls_where_the_worker_was_made_from_a_blob() -> None:
    import js

    from readystate._host.js.values import options

    origin = str(js.location.origin)
    place = options(href=f"blob:{origin}/0815", origin=origin)
    js.Object.defineProperty(js.globalThis, "location", options(value=place, configurable=True))
    try:
        ws = WebSocket("/ws/echo")
        assert ws.url == f"{origin.replace('http', 'ws', 1)}/ws/echo"
        await event(ws, "open")
        await closed(ws)
        async with connect("/ws/echo?token=x") as connection:
            await connection.send("x")
        for bad in ("ws/echo?SECRET", "?SECRET"):
            with raises(DOMSyntaxError, match="does not know its page's URL") as caught:
                WebSocket(bad)
            assert "SECRET" not in str(caught.value)
    finally:
        js.Reflect.deleteProperty(js.globalThis, "location")
    with raises(ConnectionClosedOK):
        await connection.recv()


@in_browser
async def test_a_session_is_kept_by_a_page_only() -> None:
    with raises(RuntimeError, match="sessionStorage"):
        QueuedWebSocket(url("/ws/session"), session=Session(persist="sessionStorage"))


def test_it_comes_online(runtime: Runtime, server: Server) -> None:
    """Its connection is lost in the midst of a burst; it would wait for long, but is told."""
    id = new_id()
    result = runtime.call(
        send_through,
        timeout=90,
        base=server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": 300}],
        confirmation="heartbeat",
        kind="text",
        steps=[("put", 1_000), ("until waiting", FOREVER), ("dispatch", "online")],
        backoff=(FOREVER, FOREVER, 0),
    )
    check(server, id, result, "heartbeat", "text")
    assert result["reconnects"] == 1
