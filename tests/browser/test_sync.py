"""readystate.sync where Python is suspended while it waits (JSPI).

On CPython a thread waits, so that only a browser shows what goes on meanwhile, and where Python
cannot be suspended. What connections do is shown in tests/cpython and tests/engines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from readystate import ConnectionClosedError, ConnectionClosedOK, WebSocket
from readystate.sync import connect
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import journal, new_id, opened, raises, turns, url


def call_later(function: Callable[[], Any]) -> asyncio.Future[None]:
    """Has JavaScript call a function as it calls handlers; the future has what it raises."""
    import js
    from pyodide.ffi import create_once_callable

    called: asyncio.Future[None] = asyncio.get_event_loop().create_future()

    def call(*_: Any) -> None:
        try:
            function()
        except BaseException as error:
            called.set_exception(error)
        else:
            called.set_result(None)

    js.setTimeout(create_once_callable(call), 0)
    return called


@in_browser
async def test_handlers_and_tasks_go_on_while_it_waits() -> None:
    seen: list[object] = []
    other = await opened()

    async def on_message(event: Any) -> None:
        await asyncio.sleep(0)
        seen.append(event.data)
        ws.send("from a coroutine")

    other.onmessage = on_message
    with connect(url("/ws/echo")) as ws:
        called = call_later(lambda: ws.send("from a handler"))
        assert ws.recv() == "from a handler"
        await called
        other.send("from the other socket")
        assert ws.recv() == "from a coroutine"
    assert seen == ["from the other socket"]
    other.close()


@in_browser
async def test_several_tasks_block_at_once() -> None:
    async def echoes(name: str) -> list[object]:
        received: list[object] = []
        with connect(url("/ws/echo")) as ws:
            for number in range(3):
                ws.send(f"{name} {number}")
                received.append(ws.recv())
        return received

    tasks = [asyncio.ensure_future(echoes(name)) for name in "ab"]
    assert await echoes("c") == ["c 0", "c 1", "c 2"]
    assert [await task for task in tasks] == [["a 0", "a 1", "a 2"], ["b 0", "b 1", "b 2"]]


@in_browser
async def test_a_handler_that_javascript_does_not_wait_for() -> None:
    with connect(url("/ws/echo")) as ws:
        for blocks in (
            ws.recv,
            lambda: [*ws],
            connect(url("/ws/echo")).open,
            iter(connect(url("/ws/echo"))).__next__,
            ws.wait_closed,
        ):
            with raises(NotImplementedError, match="called by JavaScript that does not wait"):
                await call_later(blocks)
        ws.send("still open, and nobody receives")
        assert ws.recv() == "still open, and nobody receives"


@in_browser
async def test_python_that_is_run_without_waiting() -> None:
    import pyodide_js

    program = (
        "from readystate.sync import connect\n"
        "try: connect('/ws/echo').open()\n"
        "except NotImplementedError as error: answer = str(error)\n"
        "answer"
    )
    assert "runPythonAsync" in pyodide_js.runPython(program)
    program = program.replace("try: connect('/ws/echo').open()", "try: answer = 'connected'")
    assert await pyodide_js.runPythonAsync(program) == "connected"


@in_browser
async def test_a_handler_closes_what_waits() -> None:
    id = new_id()
    with connect(url("/ws/echo", id=id)) as ws:

        def close() -> None:
            ws.close()
            with raises(ConnectionClosedError, match="closing"):
                ws.send("too late")

        called = call_later(close)
        assert [*ws] == []
        await called
        assert ws.close_code == 1000
        with raises(ConnectionClosedOK):
            await call_later(lambda: ws.send("too late"))
    (connection,) = await journal(id, closed=1)
    assert connection["close"]["code"] == 1000


@in_browser
async def test_a_handler_sends_more_than_the_buffer_holds() -> None:
    """It cannot wait, so that the next message is refused until there is room."""
    with connect(url("/ws/sink", ack=2), write_limit=2**16) as ws:

        def send() -> None:
            ws.send(bytes(2**20))
            with raises(NotImplementedError):
                ws.send("too much")

        await call_later(send)
        ws.send("there is room")
        assert '"messages": 2' in ws.recv(decode=True)


@in_browser
async def test_leaving_the_block_ends_what_waits_elsewhere() -> None:
    id = new_id()

    async def wait() -> None:
        ws.recv()

    with raises(LookupError), connect(url("/ws/echo", id=id)) as ws:
        waiting = asyncio.ensure_future(wait())
        await turns()
        raise LookupError
    with raises(ConnectionClosedError, match="LookupError in its 'with' block"):
        await waiting
    assert ws.ready_state == WebSocket.CLOSED
    (connection,) = await journal(id, closed=1)
    assert connection["close"]["code"] == 1000
