"""Runs coroutines as tests, each in an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest

from readystate._host.cpython.native_websocket import open_sockets
from readystate_server.testing import inpage

TIMEOUT = 30.0
"""Seconds that a test may take on a busy machine; ``@pytest.mark.timeout()`` gives it more."""
ABORTED = 5.0
"""Seconds that what was aborted may take to be CLOSED."""


def run_item(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine function; None if it is none."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    marker = pyfuncitem.get_closest_marker("timeout")
    run(
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}),
        marker.args[0] if marker else TIMEOUT,
    )
    return True


def run(test: Coroutine[Any, Any, None], timeout: float) -> None:
    """Runs a test, and fails with it, or if the event loop is told of what it has not taken.

    What it leaves open is ended; what it leaves unclosed otherwise, such as a transport that nobody
    refers to, is a warning, and so an error, when it is collected.
    """

    async def limited() -> None:
        async with asyncio.timeout(timeout):
            await test

    inpage.reported.clear()
    with asyncio.Runner() as runner:
        handler = lambda _, context: inpage.reported.append(context)  # noqa: E731
        runner.get_loop().set_exception_handler(handler)
        try:
            runner.run(limited())
        finally:
            runner.run(end_what_is_left())
    gc.collect()
    reported, inpage.reported[:] = [*inpage.reported], []
    assert not reported, f"reported, and not expected: {reported}"


async def end_what_is_left() -> None:
    """Aborts the connections that are left, each of which would have to be closed in each test.

    One that cannot end any more, such as one that a play has left, fails this test, and no other.
    """
    for native in open_sockets():
        native.close()
        if (wire := native._wire) is not None:
            with contextlib.suppress(RuntimeError):  # Its event loop has ended.
                wire.abort()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ABORTED):
            await inpage.until(lambda: not open_sockets())
    left = [*map(repr, open_sockets())]
    for native in open_sockets():
        native._release()
    assert not left, f"left open by this test, or by one before it: {left}"
