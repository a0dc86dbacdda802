"""A connection to this machine that fails names the visitor's permission.

Only a browser has ``navigator.permissions``. The tests' pages come from this machine, and need no
permission for it, so that the one here says that it came from elsewhere.
"""

from __future__ import annotations

import contextlib
import socket

import pytest

from readystate import ConnectionFailed, QueuedWebSocket, WebSocket, connect
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import raises

NAMES = ("loopback-network", "local-network-access")


@pytest.fixture
def nowhere() -> list[str]:
    """Addresses on this machine where nobody is; Firefox delays a second attempt at one."""
    with contextlib.ExitStack() as stack:
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        for listener in listeners:
            stack.enter_context(listener)
        return [f"ws://127.0.0.1:{listener.getsockname()[1]}/" for listener in listeners]


class FromElsewhere:
    """The page says that it came from another machine, in the block."""

    def __enter__(self) -> None:
        import js

        self._own = js.Object.getOwnPropertyDescriptor(js.globalThis, "origin")
        js.globalThis.origin = "https://example.org"

    def __exit__(self, *_: object) -> None:
        import js

        js.Object.defineProperty(js.globalThis, "origin", self._own)


async def stated() -> str:
    """What the browser says of the permission, itself."""
    import js

    from readystate._host import NativeError
    from readystate._host.js.values import options

    for name in NAMES:
        with contextlib.suppress(NativeError):
            status = await js.navigator.permissions.query(options(name=name))
            return f"{name!r} is {str(status.state)!r}"
    return ""


@in_browser
async def test_a_failure_names_the_permission_for_this_machine(nowhere: list[str]) -> None:
    with FromElsewhere():
        WebSocket(nowhere[0]).close()  # The browser is asked once, when the first attempt begins.
        expected = await stated()
        with raises(ConnectionFailed) as failed:
            await connect(nowhere[1])
        told = f" ({expected})?" if expected else "? "
        assert f"has the user permitted that{told}" in str(failed.value)
        with raises(ConnectionFailed) as failed:
            async with QueuedWebSocket(nowhere[2], max_attempts=1) as ws:
                await ws.recv()
        assert (expected or "has the user permitted that?") in str(failed.value)


@in_browser
async def test_none_is_named_that_is_not_needed(nowhere: list[str]) -> None:
    with raises(ConnectionFailed, match="permitted that\\?"):
        await connect(nowhere[1])
