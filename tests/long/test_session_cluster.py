"""Several server processes that are killed all the time, behind a proxy, with one Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import defaultdict
from collections.abc import AsyncIterator

import websockets
from redis.asyncio import Redis

from readystate import Delivery, DeliveryState
from tests.server.session_client import SessionClient, connect
from tests.server.session_process import ServerProcess, redis_server

PROCESSES = 3
CLIENTS = 4
DURATION = 10.0
"""Seconds for which processes are killed, one a second. To be raised by hand for a long run."""
INTERVAL = 1.0
AT_ONCE = 500
"""How many messages of a client are on their way, at most."""


class Proxy:
    """Gives each connection to the next server that accepts it."""

    def __init__(self, servers: list[ServerProcess]) -> None:
        self._turns = itertools.cycle(range(len(servers)))
        self._servers = servers
        self._pipes: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/session"
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            if self._pipes:
                await asyncio.wait(self._pipes)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in itertools.islice(self._turns, len(self._servers)):
            listens = self._servers[turn].listens
            if not listens.done():
                continue
            try:
                there = await asyncio.open_connection("127.0.0.1", listens.result())
            except OSError:
                continue
            break
        else:
            writer.transport.abort()
            return
        for source, target in ((reader, there[1]), (there[0], writer)):
            pipe = asyncio.create_task(self._pipe(source, target, (writer, there[1])))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(2**16):
                    target.write(data)
                    await target.drain()
        finally:
            for writer in both:
                writer.transport.abort()


class Cluster:
    """The server processes."""

    def __init__(self, redis: str) -> None:
        self._redis = redis
        self.servers = [ServerProcess(redis) for _ in range(PROCESSES)]
        self.kills = 0

    async def kill_one_after_the_other(self) -> None:
        """Kills a process and starts another one in its place, for DURATION seconds."""
        loop = asyncio.get_running_loop()
        next_kill = loop.time()
        end = next_kill + DURATION
        for index in itertools.cycle(range(PROCESSES)):
            next_kill += INTERVAL
            if next_kill > end:
                return
            await asyncio.sleep(next_kill - loop.time())
            await self.servers[index].kill()
            self.kills += 1
            self.servers[index] = ServerProcess(self._redis)

    async def stop(self) -> None:
        """Kills all."""
        for server in self.servers:
            await server.kill()


class Client(SessionClient):
    """A client that sends numbers, from 1, and connects again until it has all the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.connections = 0
        self.deliveries: list[Delivery] = []

    async def run(self, url: str, killing: asyncio.Task[None]) -> None:
        sending = asyncio.create_task(self._send(killing))
        try:
            while not (sending.done() and len(self.received) >= self.sent and self._is_confirmed):
                with contextlib.suppress(OSError, websockets.InvalidHandshake):
                    async with connect(url) as wire:
                        self.connections += 1
                        connection = asyncio.create_task(self.serve(wire))
                        done = asyncio.create_task(self._until_done(sending))
                        await asyncio.wait((connection, done), return_when=asyncio.FIRST_COMPLETED)
                        done.cancel()
                        wire.abort()
                        assert await connection in (None, 1006, 1001, 1012, 1013)
        finally:
            sending.cancel()
        await asyncio.wait((sending,))

    @property
    def _is_confirmed(self) -> bool:
        return not self.core.outbox.pending and not self.core.outbox.unconfirmed

    async def _send(self, killing: asyncio.Task[None]) -> None:
        while not killing.done():
            self.sent += 1
            self.deliveries.append(self.send(str(self.sent)))
            while self.sent - len(self.received) >= AT_ONCE:
                self._changed.clear()
                await self._changed.wait()

    async def _until_done(self, sending: asyncio.Task[None]) -> None:
        await asyncio.wait((sending,))
        while len(self.received) < self.sent or not self._is_confirmed:
            self._changed.clear()
            await self._changed.wait()


async def watch(redis: str) -> tuple[list[Client], dict[str, list[tuple[int, str]]], Cluster]:
    """Lets clients and servers work; returns the clients, and what the handlers have noted."""
    cluster = Cluster(redis)
    try:
        await asyncio.wait([server.listens for server in cluster.servers])
        async with Proxy(cluster.servers).run() as url, asyncio.timeout(DURATION + 60):
            clients = [Client() for _ in range(CLIENTS)]
            killing = asyncio.create_task(cluster.kill_one_after_the_other())
            try:
                await asyncio.gather(*(client.run(url, killing) for client in clients))
                await killing
            finally:
                killing.cancel()
    finally:
        await cluster.stop()
    journals: dict[str, list[tuple[int, str]]] = defaultdict(list)
    async with Redis(unix_socket_path=redis) as client:
        for line in await client.lrange("journal", 0, -1):
            assert isinstance(line, bytes)
            message_id, message = line.decode().split()
            id, number = message_id.rsplit("-", 1)
            journals[id].append((int(number), message))
    return clients, journals, cluster


def test_nothing_is_lost_when_processes_are_killed() -> None:
    with redis_server() as redis:
        clients, journals, cluster = asyncio.run(watch(redis))
    # All that the clients have sent has been handled, and is confirmed.
    assert len(journals) == CLIENTS
    handled = sorted(max(journal)[0] for journal in journals.values())
    assert handled == sorted(client.sent for client in clients)
    duplicates = 0
    for journal in journals.values():
        assert all(message == str(number) for number, message in journal)
        # In order; after a crash it begins again with what was not done.
        last = furthest = restarts = 0
        for number, _ in journal:
            assert number <= last + 1
            if number <= furthest:
                duplicates += 1
                restarts += number <= last
            last = number
            furthest = max(furthest, number)
        assert restarts <= cluster.kills
    for client in clients:
        assert {delivery.state for delivery in client.deliveries} == {DeliveryState.CONFIRMED}
        # Each message of the server once, and in order.
        numbers, names = zip(*(message.split() for message in client.received), strict=True)
        assert len(set(names)) == len(names)
        assert list(map(int, numbers)) == list(range(1, client.sent + 1))
        assert client.connections > 1
    logging.getLogger(__name__).info(
        "%d kills, %d messages, %d duplicates at the handlers, %d connections",
        cluster.kills,
        sum(client.sent for client in clients),
        duplicates,
        sum(client.connections for client in clients),
    )
