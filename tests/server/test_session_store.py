"""What all stores promise, and what RedisStore does beside."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.asyncio import Connection, Redis, RedisCluster, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from readystate_server.sessions import MemoryStore, RedisStore, Store
from readystate_server.sessions.store import Fenced, Message, Record
from tests.server.redis_server import redis_server
from tests.unit.outboxes import Clock
from tests.unit.rules import Rule, follow, pairs, parse

Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[Store]]

MESSAGES: list[Message] = ["a", b"a", "", b"", "\x00\U0001f600", bytes(range(256)), "t", "b", b"t"]


@pytest.fixture(scope="module")
def redis_path() -> Iterator[str]:
    with redis_server() as path:
        yield path


@asynccontextmanager
async def memory_store() -> AsyncIterator[Store]:
    store = MemoryStore()
    yield store
    await store.close()


@asynccontextmanager
async def empty_redis(path: str, **options: Any) -> AsyncIterator[Redis]:
    async with Redis(unix_socket_path=path, **options) as redis:
        await redis.flushall()
        yield redis


@asynccontextmanager
async def redis_store(path: str) -> AsyncIterator[Store]:
    async with empty_redis(path) as redis:
        store = RedisStore(redis)
        yield store
        await store.close()


@pytest.fixture(params=["memory", "redis"])
def opener(request: pytest.FixtureRequest) -> Opener:
    """Makes a store with nothing in it."""
    if request.param == "memory":
        return memory_store
    path = request.getfixturevalue("redis_path")
    return lambda: redis_store(path)


async def create(store: Store, key: str = "key") -> int:
    return await store.create(key, "owner", 60)


async def claimed(store: Store, connection: int = 2) -> Record:
    record = await store.claim("key", "owner", connection, 60)
    assert record is not None
    return record


async def save(store: Store, epoch: int, *messages: Message, **counts: int) -> None:
    arguments: Any = {"done": 0, "confirmed": 0, "first": 1, **counts}
    await store.save("key", epoch, messages=messages, **arguments)


async def do(store: Store, what: str, number: str, *words: str) -> list[str]:
    """Does what a line of a rule says; see RULES."""
    match what:
        case "claim":
            key, owner = words or ("key", "owner")
            record = await store.claim(key, owner, int(number), 60)
            if record is None:
                return ["none"]
            assert record.owner == owner
            found = f"{record.epoch} done={record.done} confirmed={record.confirmed}"
            return [*found.split(), *map(str, record.outgoing)]
        case "save":
            messages = [word for word in words if "=" not in word]
            counts = {name: int(count) for name, count in pairs(" ".join(words)).items() if count}
            await save(store, int(number), *messages, **counts)
        case "keep":
            await store.keep("key", int(number), int(words[0]), 60)
        case "delete":
            await store.delete("key", int(number))
    return []


# Of a record with the epoch 1. A claim for a connection gives the next epoch, and what is there.
# Who names the epoch can save, keep it for a connection, and delete it.
RULES = """
what is confirmed is forgotten
    save 1 done=1 a b
    save 1 done=2 confirmed=1 first=3 c
    claim 2                             > 2 done=2 confirmed=1 b c
and all of it may be
    save 1 done=1 a b
    save 1 done=1 confirmed=2 first=3
    claim 2                             > 2 done=1 confirmed=2
    save 2 done=1 confirmed=2 first=3 c
    claim 3                             > 3 done=1 confirmed=2 c
who repeats it, as the answer was lost, changes nothing
    save 1 done=1 a b; save 1 done=1 a b
    claim 2                             > 2 done=1 confirmed=0 a b
also late
    save 1 done=1 a b; save 1 done=1 a b
    save 1 done=2 confirmed=1 first=3 c; save 1 done=2 confirmed=1 first=3 c
    save 1 done=1 a b
    claim 2                             > 2 done=2 confirmed=1 b c

a claim fences all former holders
    claim 2; claim 3                    > 2 done=0 confirmed=0 3 done=0 confirmed=0
    save 1 done=9 no                    ! Fenced
    save 2 done=9 no                    ! Fenced
    keep 1 3                            ! Fenced
    keep 2 3                            ! Fenced
    save 3 done=1; keep 3 3
    claim 4                             > 4 done=1 confirmed=0
another owner is told what one is told of no session
    claim 2 key another; claim 2 unknown owner > none none
    save 1
a claim for a connection that is not the latest is fenced itself
    claim 1                             ! Fenced
    keep 1 10; keep 1 9
    claim 2                             ! Fenced
    claim 10                            ! Fenced
    claim 10 key another                > none
    save 1
    claim 11                            > 2 done=0 confirmed=0
    claim 11                            ! Fenced
    save 2
a record is deleted by its holder, also again
    claim 2                             > 2 done=0 confirmed=0
    save 2 a
    delete 1                            ! Fenced
    delete 2; delete 2
    claim 3                             > none
    save 2 done=9 no                    ! Fenced
    keep 2 1                            ! Fenced
"""


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule, opener: Opener) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        store = runner.run(stack.enter_async_context(opener()))
        assert runner.run(create(store)) == 1
        try:
            follow(rule, lambda *words: runner.run(do(store, *words)), str, Fenced)
        finally:
            runner.run(stack.aclose())


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.binary(), max_size=20),
    st.integers(0, 20),
)
@example(MESSAGES, 0)
def test_messages_keep_their_kind_and_their_order(
    redis_path: str, messages: list[Message], confirmed: int
) -> None:
    confirmed = min(confirmed, len(messages))

    async def test() -> None:
        for opened in (memory_store(), redis_store(redis_path)):
            async with asyncio.timeout(20), opened as store:
                epoch = await create(store)
                await save(store, epoch, *messages)
                await save(store, epoch, confirmed=confirmed, first=len(messages) + 1)
                assert (await claimed(store)).outgoing == messages[confirmed:]

    asyncio.run(test())


async def test_memory_forgets_what_is_not_kept() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    epoch = await store.create("key", "owner", 10)
    await store.create("other", "owner", 10)
    clock.now = 6
    await store.keep("key", epoch, 1, 10)
    clock.now = 15.9
    assert len(store) == 1
    record = await store.claim("key", "owner", 2, 10)
    assert record is not None
    clock.now = 26
    with pytest.raises(Fenced):
        await store.keep("key", record.epoch, 1, 10)
    assert await store.claim("key", "owner", 3, 10) is None
    assert len(store) == 0
    # Nor does it grow with what has expired.
    for number in range(1000):
        clock.now += 1
        await store.create(str(number), "owner", 10)
    assert len(store._entries) <= 10


async def test_redis_forgets_what_is_not_kept(redis_path: str) -> None:
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis, prefix="p:")
        epoch = await store.create("key", "owner", 10)
        await save(store, epoch, "1")
        assert [name async for name in redis.scan_iter()] == [b"p:{key}"]
        assert 9 < await redis.pttl("p:{key}") / 1000 <= 10
        await store.keep("key", epoch, 1, 20)
        assert 19 < await redis.pttl("p:{key}") / 1000 <= 20
        await store.claim("key", "owner", 2, 30)
        assert 29 < await redis.pttl("p:{key}") / 1000 <= 30


async def test_redis_keeps_nothing_that_is_confirmed(redis_path: str) -> None:
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis)
        epoch = await create(store)
        (name,) = [name async for name in redis.scan_iter()]
        size = await redis.hlen(name)
        await save(store, epoch, "1", "2", "3")
        assert await redis.hlen(name) == size + 3
        await save(store, epoch, confirmed=3, first=4)
        await save(store, epoch, "1", "2", "3")  # late
        assert await redis.hlen(name) == size


async def test_redis_repeats_a_claim_as_the_same_one(
    redis_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []

    async def lose_the_first_answer(connection: Connection, **options: Any) -> Any:
        answer = await read_response(connection, **options)
        if not lost:
            lost.append(answer)
            raise RedisConnectionError("lost")
        return answer

    async with empty_redis(redis_path, retry=Retry(NoBackoff(), 1)) as redis:
        store = RedisStore(redis)
        await create(store)
        await claimed(store)  # loads the script
        read_response = UnixDomainSocketConnection.read_response
        monkeypatch.setattr(UnixDomainSocketConnection, "read_response", lose_the_first_answer)
        record = await claimed(store, 3)
        assert lost == [[3, 0, 0]]
        assert record.epoch == 3
        await save(store, record.epoch)


async def test_redis_has_what_comes_together_in_few_pipelines(redis_path: str) -> None:
    """As when all clients come back together, which are more than redis-py has connections."""
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis)
        await create(store)
        before = (await redis.info("stats"))["total_reads_processed"]
        creations = (create(store, f"key {number}") for number in range(500))
        assert await asyncio.gather(*creations) == [1] * 500
        assert (await redis.info("stats"))["total_reads_processed"] - before < 50


async def test_redis_answers_each_of_a_pipeline(redis_path: str) -> None:
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis, prefix="p:")
        epoch = await create(store)
        await redis.set("p:{text}", "no record")
        await redis.script_flush()  # as if it was restarted
        given_up, *others = [
            asyncio.ensure_future(one)
            for one in (
                create(store, "another"),
                create(store, "third"),
                create(store, "text"),
                save(store, epoch, done=1),
                save(store, epoch + 1, done=1),
            )
        ]
        await asyncio.sleep(0)  # until all are in the pipeline
        given_up.cancel()
        created, refused, saved, fenced = await asyncio.gather(*others, return_exceptions=True)
        assert (created, saved) == (1, None)
        assert isinstance(refused, ResponseError)
        assert "WRONGTYPE" in str(refused)
        assert isinstance(fenced, Fenced)
        assert given_up.cancelled()
        assert (await claimed(store)).done == 1


async def test_redis_that_decodes_is_refused(redis_path: str) -> None:
    async with Redis(unix_socket_path=redis_path, decode_responses=True) as redis:
        with pytest.raises(ValueError, match="decode_responses"):
            RedisStore(redis)


async def test_redis_out_of_reach_is_an_error_of_its_own(tmp_path: Path) -> None:
    retry = Retry(NoBackoff(), 0)
    async with Redis(unix_socket_path=str(tmp_path / "none"), retry=retry) as redis:
        with pytest.raises(RedisConnectionError):
            await create(RedisStore(redis))


async def test_redis_may_be_a_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("", 0)) as two:
        port, bus = one.getsockname()[1], two.getsockname()[1]
    mode = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
    with redis_server("--port", str(port), "--bind", "127.0.0.1", *mode) as path:
        async with Redis(unix_socket_path=path) as redis:
            execute: Any = redis.execute_command
            await execute("CLUSTER ADDSLOTSRANGE 0 16383")
            while (await execute("CLUSTER INFO"))["cluster_state"] != "ok":
                await asyncio.sleep(0.05)
        async with RedisCluster(host="127.0.0.1", port=port) as cluster:
            store = RedisStore(cluster)
            await save(store, await create(store), *MESSAGES)
            assert (await claimed(store)).outgoing == MESSAGES
