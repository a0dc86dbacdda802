"""Clients that steal, or send garbage: a close code for each, no crash, no growth.

Those that guess, flood, or do nothing are told of in test_session_rules.py; which numbers and
controls are wrong, in tests/unit/test_session_core.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import secrets
import tracemalloc

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readystate.session.control import DLE, MAX_NUMBER, encode, ends_session
from readystate_server.sessions.store import MemoryStore, Message
from tests.server.session_server import Server, resume, serving
from tests.server.wires import until_closed


async def test_all_wrong_ids_are_told_the_same() -> None:
    store = MemoryStore()
    async with serving(store=store) as server, serving(store=store) as other:
        wire, stolen = await server.open(user="ada")
        await other.open(user="ada")
        ended, old = await server.open(user="ada")
        await ended.close(1000)
        await server.until_handled()
        # Anybody can make an id that looks like one of this server's.
        guessed = stolen[:8] + secrets.token_urlsafe(32)
        told = {
            await server.refusal(resume(guessed), user="ada"),
            await server.refusal(resume(stolen), user="eve"),
            await server.refusal(resume(stolen)),
            await server.refusal(resume(stolen), user="ada", origin="https://evil.example"),
            await server.refusal(resume(stolen), user="ada", origin=None),
            await server.refusal(resume(old), user="ada"),
        }
        told_elsewhere = {
            await other.refusal(resume(guessed), user="eve"),
            await other.refusal(resume(stolen), user="eve"),
            await other.refusal(resume(old), user="ada"),
        }
        assert len(told) == len(told_elsewhere) == 1
        assert {code for code, _ in told | told_elsewhere} == {4404}
        # The owner notices nothing.
        await wire.send("still here")
        assert await wire.receive() == "still here"


async def test_the_application_may_say_whom_a_session_belongs_to() -> None:
    async with serving(identify=lambda origin, user: str(user)) as server:
        _, secret = await server.open(user=1)
        await server.resume(secret, user=1, origin="https://other.example")
        assert (await server.refusal(resume(secret), user=2))[0] == 4404


async def test_an_owner_cannot_be_made_up_of_parts() -> None:
    async with serving() as server:
        _, secret = await server.open(origin="a", user='b","c')
        refusal = await server.refusal(resume(secret), origin='a","b', user="c")
        assert refusal[0] == 4404


async def test_nothing_grows_with_what_is_refused() -> None:
    async with serving(unknown_burst=100, unknown_rate=0) as server:
        _, secret = await server.open()

        async def flood(count: int) -> None:
            for number in range(count):
                await server.refusal(resume(secrets.token_urlsafe(32)))
                await server.refusal(resume(secret), user=f"eve {number}")
                await server.refusal("garbage")

        await flood(150)
        gc.collect()
        tracemalloc.start()
        await flood(10)
        before, _ = tracemalloc.get_traced_memory()
        await flood(400)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 20_000  # less than 17 bytes for each


# Garbage.

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=10,
)
_kinds = st.sampled_from(["open", "opened", "resume", "resumed", "ack", "ask"])
_numbers = st.integers(-2, 30) | st.sampled_from([MAX_NUMBER, MAX_NUMBER + 1, 10**400])
_garbage = st.one_of(
    _texts,
    st.binary(max_size=50),
    _texts.map(lambda text: DLE + text),
    _json.map(lambda value: DLE + json.dumps(value)),
    st.builds(encode, _kinds, _json),
    st.builds(encode, st.sampled_from(["ack", "ask"]), _numbers),
    st.just(encode("ask", 1)),
)


@given(st.lists(_garbage, max_size=30), st.booleans(), st.sampled_from(["abort", 1000, 1001]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_garbage(messages: list[Message], has_session: bool, end: str | int) -> None:
    async def test() -> None:
        limits = serving(window=16, window_bytes=500, max_message=200)
        async with asyncio.timeout(20), limits as server:
            bystander, _ = await server.open()
            await throw(server, messages, has_session, end)
            await bystander.send("still here")
            assert await bystander.receive() == "still here"

    asyncio.run(test())


async def throw(server: Server, messages: list[Message], has_session: bool, end: str | int) -> None:
    """Sends garbage, and ends the connection if that has not."""
    wire = (await server.open())[0] if has_session else server.connect()
    with contextlib.suppress(ConnectionError):
        for message in messages:
            await wire.send(message)
            await asyncio.sleep(0)
    if end == "abort":
        wire.abort()
    else:
        await wire.close(int(end))
    code = await until_closed(wire)
    assert code in (None, 4400, 4404, 4413, 1000, 1001)
    if has_session and code is not None and ends_session(code):
        while len(server.sessions) > 1:
            await asyncio.sleep(0)
