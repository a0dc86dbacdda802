"""A flood that nobody asks for stays with the server."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from readystate import Connection, connect
from readystate_server.lab import Server
from readystate_server.testing import inpage, open_pyodide
from readystate_server.testing.inpage import url

KEPT = "the connection of the flood"


async def open_flood() -> None:
    ws = await connect(
        url("/ws/flood", count=2**14, size=2**16, kind="binary"),
        transport="stream",
        max_queue_bytes=4 * 2**20,
    )
    setattr(inpage, KEPT, ws)


async def read_flood(count: int) -> int:
    ws: Connection = getattr(inpage, KEPT)
    size = 0
    for _ in range(count):
        size += len(await ws.recv())
    return size


async def close_flood() -> None:
    await getattr(inpage, KEPT).close()
    delattr(inpage, KEPT)


@pytest.mark.only_browser("chromium")  # which can be asked for the size of its heap
def test_a_flood_of_a_gibibyte_and_a_slow_consumer(browser: Browser, server: Server) -> None:
    """The page's heap stays bounded: what is not asked for stays with the server.

    A quarter of the flood is asked for, bit by bit.
    """
    with open_pyodide(browser, server, "page") as runtime:
        cdp = runtime.page.context.new_cdp_session(runtime.page)

        def heap() -> int:
            cdp.send("HeapProfiler.collectGarbage")
            usage = cdp.send("Runtime.getHeapUsage")
            return int(usage["usedSize"] + usage.get("backingStorageSize", 0))

        runtime.call(open_flood)
        before = heap()
        most = size = 0
        for _ in range(16):
            size += runtime.call(read_flood, count=2**8)
            most = max(most, heap() - before)
        runtime.call(close_flood)
        assert size == 2**28
        assert most < 16 * 2**20
        runtime.console.check()
