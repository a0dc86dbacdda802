"""What breaks, and when: drawn from a seed."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Protocol

from .children import Child
from .proxy import Proxy
from .redis import RedisProcess
from .servers import ServerProcess

STOPPED = 20.0
"""Longer than all timeouts of clients, in seconds."""
NO_MEMORY = 6.0
HALF_OPEN = 15.0


class World(Protocol):
    """What can break."""

    chance: random.Random
    servers: list[ServerProcess]
    redis: RedisProcess | None
    proxy: Proxy
    clients: list[Child]


@dataclasses.dataclass
class Fault:
    """One that has happened.

    Attributes:
        name: Which one.
        detail: What it was, in words.
        began: When, by the monotonic clock.
        ended: When all parts were there again.
        recovered: When all clients were connected again, and had nothing old under way.
    """

    name: str
    detail: str
    began: float
    ended: float
    recovered: float | None = None


async def kill(world: World) -> str:
    """A server is killed, and another one starts in its place."""
    server = world.chance.choice(world.servers)
    await server.kill()
    await asyncio.sleep(world.chance.uniform(0, 3))
    await server.start()
    return server.name


async def kill_all(world: World) -> str:
    """All servers are killed at once, and start again."""
    await asyncio.gather(*(server.kill() for server in world.servers))
    await asyncio.sleep(world.chance.uniform(0, 3))
    await asyncio.gather(*(server.start() for server in world.servers))
    return f"{len(world.servers)} servers"


async def stop(world: World) -> str:
    """A server does nothing for longer than clients wait, and then goes on as if nothing was."""
    server = world.chance.choice(world.servers)
    server.signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED)
    server.signal(signal.SIGCONT)
    return f"{server.name} for {STOPPED:g} s"


async def abort(world: World) -> str:
    """Some connections end without a close frame."""
    share = world.chance.uniform(0.1, 0.5)
    for child in world.clients:
        child.tell(abort=share)
    return f"{share:.0%} of the connections"


async def half_open(world: World) -> str:
    """The connections over the proxy hang: nothing arrives, and no end is told."""
    count = await world.proxy.hang()
    await asyncio.sleep(HALF_OPEN)
    await world.proxy.flow()
    return f"{count} connections for {HALF_OPEN:g} s: {world.proxy.means}"


async def redis_kill(world: World) -> str:
    """Redis is killed, and starts again with what it had saved."""
    assert world.redis is not None
    await world.redis.kill()
    pause = world.chance.uniform(0, 3)
    await asyncio.sleep(pause)
    await world.redis.start()
    return f"away for {pause:.1f} s"


async def redis_memory(world: World) -> str:
    """Redis has no memory, so that it refuses what would take more."""
    assert world.redis is not None
    limit = await world.redis.limit_memory(0.5)
    await asyncio.sleep(NO_MEMORY)
    await world.redis.limit_memory(None)
    return f"maxmemory was {limit} for {NO_MEMORY:g} s"


async def deploy(world: World) -> str:
    """One server after the other is told to end, and another one starts in its place."""
    for server in world.servers:
        await server.end()
        await server.start()
    return f"{len(world.servers)} servers"


ALL: Final[dict[str, Callable[[World], Awaitable[str]]]] = {
    "kill": kill,
    "kill-all": kill_all,
    "stop": stop,
    "abort": abort,
    "half-open": half_open,
    "redis-kill": redis_kill,
    "redis-memory": redis_memory,
    "deploy": deploy,
}
OF_REDIS = ("redis-kill", "redis-memory")


def chosen(words: str, *, has_redis: bool) -> list[str]:
    """The names of faults: "all", "none", or some with commas between them.

    Raises:
        ValueError: One of them does not exist, or needs Redis.
    """
    if words in ("", "none"):
        return []
    if words == "all":
        return [name for name in ALL if has_redis or name not in OF_REDIS]
    names = words.split(",")
    for name in names:
        if name not in ALL:
            raise ValueError(f"{name!r} is none of: {', '.join(ALL)}")
        if name in OF_REDIS and not has_redis:
            raise ValueError(f"{name} needs Redis")
    return names


def plan(names: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Faults for ever: in each round each of them once, in another order."""
    while names:
        yield from chance.sample(names, len(names))


async def happen(name: str, world: World) -> Fault:
    """Lets a fault happen; returns when all parts are there again."""
    began = time.monotonic()
    detail = await ALL[name](world)
    return Fault(name, detail, began, time.monotonic())
