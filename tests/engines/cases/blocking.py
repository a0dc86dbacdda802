"""``readystate.sync``: where the engine can suspend Python, or says that it cannot."""

from __future__ import annotations

from collections.abc import Callable

from readystate import Backoff, ConnectionClosedError
from readystate_server.testing.inpage import journal, new_id, raises, url

from .case import Cases, Report
from .natives import IS_MICROPYTHON

if not IS_MICROPYTHON:
    from readystate._host import can_run_sync
    from readystate.sync import connect

CASES = Cases()
ABLE = ("cpython", "chromium", "firefox", "deno", "node-")
"""The engines that have to, by the beginning of their names; others may be too old."""


def is_able(report: Report) -> bool:
    """Whether code may block; if not, the error has to say so."""
    if report.engine.startswith(ABLE) or can_run_sync():
        return True
    for begin in connect(url("/ws/echo")).open, iter(connect(url("/ws/echo"))).__next__:
        error = report.throws(NotImplementedError, begin)
        assert "JSPI" in str(error)
        assert "use asyncio" in str(error)
    return False


@CASES.add("sync: text and bytes there and back")
async def round_trip(report: Report) -> None:
    if not is_able(report):
        return
    id = new_id()
    with connect(url("/ws/echo", id=id)) as ws:
        for message in ("text", b"binary", "", b"", "é" * 2**16, bytes(2**18)):
            ws.send(message)
            assert ws.recv(timeout=10) == message
        with raises(TimeoutError):
            ws.recv(timeout=0.01)
    assert (ws.close_code, ws.close_reason) == (1000, "")
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 1000, "reason": "", "clean": True}


@CASES.add("sync: a flood arrives in order, and iteration ends with it")
async def flood(report: Report) -> None:
    if is_able(report):
        with connect(url("/ws/flood", count=5000, number=1, then="close")) as ws:
            assert [int(message) for message in ws] == list(range(5000))


@CASES.add("sync: the end has a class, a code and a reason")
async def the_end(report: Report) -> None:
    if is_able(report):
        with connect(url("/ws/close", code=4000, reason="é")) as ws:
            late: list[Callable[[], object]] = [ws.recv, lambda: ws.send("too late"), ws.drain]
            for call in late:
                with raises(ConnectionClosedError) as caught:
                    call()
                assert (caught.value.code, caught.value.reason) == (4000, "é")


@CASES.add("sync: a new connection after each loss")
async def reconnects(report: Report) -> None:
    if not is_able(report):
        return
    id = new_id()
    connections = connect(url("/ws/close", code=1011, id=id), backoff=Backoff(0, 0))
    for number, ws in enumerate(connections, 1):
        with raises(ConnectionClosedError):
            ws.recv()
        if number == 3:
            break
    assert len(await journal(id, closed=3)) == 3
