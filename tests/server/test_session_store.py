"""What all stores promise, and what RedisStore does beside."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
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


_connections = itertools.count(2)


async def create(store: Store, key: str = "key") -> int:
    return await store.create(key, "owner", 60)


async def claim(store: Store, key: str = "key", owner: str = "owner") -> Record | None:
    """Claims for a connection that is later than all others."""
    return await store.claim(key, owner, next(_connections), 60)


async def claimed(store: Store) -> Record:
    record = await claim(store)
    assert record is not None
    return record


async def save(store: Store, epoch: int, **changes: Any) -> None:
    arguments = {"done": 0, "confirmed": 0, "first": 1, "messages": [], **changes}
    await store.save("key", epoch, **arguments)


async def test_a_record_is_found_as_it_was_saved(opener: Opener) -> None:
    async with opener() as store:
        epoch = await create(store)
        await save(store, epoch, done=3, messages=MESSAGES)
        await save(store, epoch, done=4, first=len(MESSAGES) + 1, messages=["last"])
        record = await claimed(store)
        assert (record.owner, record.epoch) == ("owner", epoch + 1)
        assert (record.done, record.confirmed) == (4, 0)
        assert record.outgoing == [*MESSAGES, "last"]
        assert [type(message) for message in record.outgoing[:2]] == [str, bytes]


ONE, TWO = {"done": 1, "messages": ["1", "2"]}, {"confirmed": 2, "first": 3}
THREE = {"done": 2, "confirmed": 1, "first": 3, "messages": ["3"]}


@pytest.mark.parametrize(
    ("saves", "found"),
    [
        # What is confirmed is forgotten, and all of it may be.
        ([ONE, THREE], (2, 1, ["2", "3"])),
        ([ONE, {**TWO, "done": 1}], (1, 2, [])),
        ([ONE, {**TWO, "done": 1}, {**TWO, "done": 1, "messages": ["3"]}], (1, 2, ["3"])),
        # The answer was lost, so that the client of the store repeats it, perhaps late.
        ([ONE, ONE], (1, 0, ["1", "2"])),
        ([ONE, ONE, THREE, THREE, ONE], (2, 1, ["2", "3"])),
    ],
)
async def test_saving(opener: Opener, saves: list[dict[str, Any]], found: tuple[Any, ...]) -> None:
    async with opener() as store:
        epoch = await create(store)
        for changes in saves:
            await save(store, epoch, **changes)
        record = await claimed(store)
        assert (record.done, record.confirmed, record.outgoing) == found


async def test_a_claim_fences_all_former_holders(opener: Opener) -> None:
    async with opener() as store:
        epochs = [await create(store), *[(await claimed(store)).epoch for _ in range(2)]]
        for epoch in epochs[:-1]:
            await assert_fenced(store, epoch)
        await save(store, epochs[-1], done=1)
        await store.keep("key", epochs[-1], 1, 60)
        record = await claimed(store)
        assert (record.done, record.outgoing) == (1, [])


async def assert_fenced(store: Store, epoch: int) -> None:
    """Whoever has had the session in this epoch has it no more."""
    for attempt in (
        save(store, epoch, done=9, messages=["no"]),
        store.keep("key", epoch, 1, 60),
    ):
        with pytest.raises(Fenced):
            await attempt


async def test_another_owner_is_told_what_one_is_told_of_no_session(opener: Opener) -> None:
    async with opener() as store:
        epoch = await create(store)
        assert await claim(store, owner="another") is None
        assert await claim(store, "unknown") is None
        await save(store, epoch)  # and the holder is still the holder


async def test_a_claim_for_a_connection_that_is_not_the_latest_is_fenced_itself(
    opener: Opener,
) -> None:
    async with opener() as store:

        async def claim_for(connection: int, owner: str = "owner") -> Record | None:
            return await store.claim("key", owner, connection, 60)

        epoch = await create(store)
        with pytest.raises(Fenced):
            await claim_for(1)
        await store.keep("key", epoch, 10, 60)
        await store.keep("key", epoch, 9, 60)
        for connection in (2, 10):
            with pytest.raises(Fenced):
                await claim_for(connection)
        assert await claim_for(10, "another") is None
        await save(store, epoch)
        record = await claim_for(11)
        assert record is not None
        assert record.epoch == epoch + 1
        with pytest.raises(Fenced):
            await claim_for(11)
        await save(store, record.epoch)


async def test_a_record_is_deleted_by_its_holder(opener: Opener) -> None:
    async with opener() as store:
        former = await create(store)
        epoch = (await claimed(store)).epoch
        await save(store, epoch, messages=["1"])
        with pytest.raises(Fenced):
            await store.delete("key", former)
        for _ in range(2):
            await store.delete("key", epoch)
        assert await claim(store) is None
        await assert_fenced(store, epoch)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.binary(), max_size=20),
    st.integers(0, 20),
)
def test_messages_keep_their_kind_and_their_order(
    redis_path: str, messages: list[Message], confirmed: int
) -> None:
    confirmed = min(confirmed, len(messages))

    async def test() -> None:
        for opened in (memory_store(), redis_store(redis_path)):
            async with asyncio.timeout(20), opened as store:
                epoch = await create(store)
                await save(store, epoch, messages=messages)
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
    assert await claim(store) is None
    assert len(store) == 0


async def test_memory_does_not_grow_with_what_has_expired() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    for number in range(1000):
        clock.now += 1
        await store.create(str(number), "owner", 10)
    assert len(store._entries) <= 10


async def test_redis_forgets_what_is_not_kept(redis_path: str) -> None:
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis, prefix="p:")
        epoch = await store.create("key", "owner", 10)
        await save(store, epoch, messages=["1"])
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
        await save(store, epoch, messages=["1", "2", "3"])
        assert await redis.hlen(name) == size + 3
        await save(store, epoch, confirmed=3, first=4)
        await save(store, epoch, messages=["1", "2", "3"])  # late
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
        await claim(store)  # loads the script
        read_response = UnixDomainSocketConnection.read_response
        monkeypatch.setattr(UnixDomainSocketConnection, "read_response", lose_the_first_answer)
        record = await claimed(store)
        assert lost == [[3, 0, 0]]
        assert record.epoch == 3
        await save(store, record.epoch)


async def test_redis_has_what_comes_together_in_few_pipelines(redis_path: str) -> None:
    async with empty_redis(redis_path) as redis:
        store = RedisStore(redis)
        await create(store)
        before = (await redis.info("stats"))["total_reads_processed"]
        await asyncio.gather(*(create(store, f"key {number}") for number in range(500)))
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


async def test_more_commands_at_once_than_redis_py_has_connections(redis_path: str) -> None:
    """As when all clients come back together."""
    async with redis_store(redis_path) as store:
        creations = (create(store, f"key {number}") for number in range(500))
        assert await asyncio.gather(*creations) == [1] * 500


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
            await save(store, await create(store), messages=MESSAGES)
            assert (await claimed(store)).outgoing == MESSAGES
