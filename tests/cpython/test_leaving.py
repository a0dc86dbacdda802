"""What leaving a block because of an exception tells, and when an iteration leaves one."""

from __future__ import annotations

from readystate import Heartbeat, QueuedWebSocket, connect
from readystate_server.testing.inpage import Logged, raises, until, url

from .conftest import AT_ONCE, the_one


class OopsError(Exception):
    pass


def unheard() -> Heartbeat:
    """A heartbeat that is never replied to, so that nothing is confirmed."""
    return Heartbeat("beat", interval=60, timeout=60, is_reply=lambda message: False)


async def test_a_queue_says_what_is_dropped() -> None:
    with Logged() as logged, raises(OopsError):
        async with QueuedWebSocket(url("/ws/echo"), heartbeat=unheard()) as ws:
            ws.send("abc")
            ws.send(b"de")
            raise OopsError
    assert "OopsError in its block: 2 unconfirmed messages of 5 bytes" in "".join(logged)


async def test_a_connection_says_what_had_not_left() -> None:
    with Logged() as logged, raises(OopsError):
        async with connect(url("/ws/stall", after=1), write_limit=2**26) as ws:
            for _ in range(20):
                await ws.send(bytes(2**20))
            raise OopsError
    assert "had not left the page" in "".join(logged)


async def test_breaking_out_of_an_iteration_over_connections_closes_the_last_one(id: str) -> None:
    async for ws in connect(url("/ws/echo", id=id), backoff=AT_ONCE):
        await ws.send("abc")
        break
    await until(lambda: ws.close_code)
    assert (await the_one(id))["close"]["code"] == 1000
