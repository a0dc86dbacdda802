"""Keeps sessions of several processes in Redis or Valkey."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from .store import Fenced, Message, Record, Store

__all__ = ["RedisStore"]

# A record is one hash, so it expires as a whole and is in one slot of a cluster. Its fields are
# those of Record, "connection", "claim", and the outgoing messages by number.

_CREATE = """
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'epoch', 1, 'connection', 1,
    'done', 0, 'confirmed', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

# The claim's name identifies a repeated claim, whose answer was lost.
_CLAIM = """
local owner, epoch, connection, done, confirmed, claim = unpack(
    redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'connection', 'done', 'confirmed', 'claim'))
if owner ~= ARGV[1] then return false end
if claim ~= ARGV[4] then
    if tonumber(ARGV[3]) <= tonumber(connection) then return 0 end
    epoch = epoch + 1
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'connection', ARGV[3], 'claim', ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local record = {tonumber(epoch), tonumber(done), tonumber(confirmed)}
local number = confirmed + 1
local message = redis.call('HGET', KEYS[1], string.format('%d', number))
while message do
    record[#record + 1] = message
    number = number + 1
    message = redis.call('HGET', KEYS[1], string.format('%d', number))
end
return record
"""

# Repeating it, however late, changes nothing: messages have numbers, and counts only grow.
_SAVE = """
local epoch, done, confirmed = unpack(
    redis.call('HMGET', KEYS[1], 'epoch', 'done', 'confirmed'))
if epoch ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > tonumber(done) then redis.call('HSET', KEYS[1], 'done', ARGV[2]) end
local forgotten = tonumber(ARGV[3])
for number = confirmed + 1, forgotten do
    redis.call('HDEL', KEYS[1], string.format('%d', number))
end
if forgotten > tonumber(confirmed) then
    redis.call('HSET', KEYS[1], 'confirmed', ARGV[3])
else
    forgotten = tonumber(confirmed)
end
local first = tonumber(ARGV[4])
for index = 5, #ARGV do
    local number = first + index - 5
    if number > forgotten then
        redis.call('HSET', KEYS[1], string.format('%d', number), ARGV[index])
    end
end
return 1
"""

_KEEP = """
local epoch, connection = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'connection'))
if epoch ~= ARGV[1] then return 0 end
if tonumber(ARGV[3]) > tonumber(connection) then
    redis.call('HSET', KEYS[1], 'connection', ARGV[3])
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

_DELETE = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and epoch ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

_TOGETHER = 100
"""How many commands are in a pipeline, at most."""
_AT_ONCE = 50
"""How many commands run at once in a cluster. redis-py raises when more than its 100 connections
are in use.
"""

_TEXT = b"t"
_BINARY = b"b"


class RedisStore(Store):
    """Keeps the records in Redis (5 or later) or Valkey, shared by several processes.

    A record is one hash, ``<prefix>{<key>}``, which expires by itself. Only Lua scripts on this one
    key change it, so Redis Cluster works too.

    It is as durable as Redis: a crash without ``appendfsync always``, or a **failover to a replica,
    can lose the last confirmed writes**. A session then resumes from an older state, so messages
    are repeated or missing, or it ends with 4400. Set persistence and ``maxmemory-policy``
    (``noeviction`` or ``volatile-ttl``) accordingly.

    Commands are idempotent, so redis-py may retry them.

    Args:
        redis: The client, without ``decode_responses``. Close it yourself.
        prefix: The prefix of all keys.

    Raises:
        ValueError: The client has ``decode_responses``.
    """

    def __init__(self, redis: Redis | RedisCluster, prefix: str = "readystate:") -> None:
        if redis.get_encoder().decode_responses:
            raise ValueError(
                "decode_responses=True cannot read binary messages: create a client without it"
            )
        self._redis = redis
        self._prefix = prefix
        self._commands = _OneByOne() if isinstance(redis, RedisCluster) else _Pipelines(redis)
        self._create, self._claim, self._save, self._keep, self._delete = map(
            redis.register_script,
            (_CREATE, _CLAIM, _SAVE, _KEEP, _DELETE),
        )

    async def create(self, key: str, owner: str, expires: float) -> int:
        epoch = await self._run(self._create, key, owner, _milliseconds(expires))
        return int(epoch)

    async def claim(self, key: str, owner: str, connection: int, expires: float) -> Record | None:
        lease, name = _milliseconds(expires), secrets.token_hex(8)
        answer = await self._run(self._claim, key, owner, lease, connection, name)
        if answer is None:
            return None
        _check(answer)
        epoch, done, confirmed, *outgoing = answer
        return Record(owner, epoch, done, confirmed, [_decode(packed) for packed in outgoing])

    async def save(
        self,
        key: str,
        epoch: int,
        *,
        done: int,
        confirmed: int,
        first: int,
        messages: Sequence[Message],
    ) -> None:
        packed = map(_encode, messages)
        _check(await self._run(self._save, key, epoch, done, confirmed, first, *packed))

    async def keep(self, key: str, epoch: int, connection: int, expires: float) -> None:
        _check(await self._run(self._keep, key, epoch, _milliseconds(expires), connection))

    async def delete(self, key: str, epoch: int) -> None:
        _check(await self._run(self._delete, key, epoch))

    async def _run(self, script: Any, key: str, *arguments: Any) -> Any:
        return await self._commands.run(script, f"{self._prefix}{{{key}}}", arguments)


class _OneByOne:
    """Sends each command by itself: a pipeline to a cluster fails as a whole if one node does."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def run(self, script: Any, key: str, arguments: Sequence[Any]) -> Any:
        """Runs a script on a key, and returns its answer."""
        async with self._room:
            return await script(keys=[key], args=arguments)


class _Command(NamedTuple):
    script: Any
    key: str
    arguments: Sequence[Any]
    answer: asyncio.Future[Any]


class _Pipelines:
    """Sends commands in pipelines: those that arrive while one is under way go in the next.

    A command by itself takes the process five times as long, and Redis syncs its file for each.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[_Command] = deque()
        self._task: asyncio.Task[None] | None = None

    async def run(self, script: Any, key: str, arguments: Sequence[Any]) -> Any:
        """Runs a script on a key, and returns its answer."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Command(script, key, arguments, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._run_all())
        return await answer

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                for command, answer in zip(batch, await self._answers(batch), strict=True):
                    if command.answer.done():  # Its session waits no longer.
                        continue
                    if isinstance(answer, Exception):
                        command.answer.set_exception(answer)
                    else:
                        command.answer.set_result(answer)
        finally:
            self._task = None

    def _next_batch(self) -> list[_Command]:
        count = min(len(self._waiting), _TOGETHER)
        commands = (self._waiting.popleft() for _ in range(count))
        return [command for command in commands if not command.answer.done()]

    async def _answers(self, batch: Sequence[_Command]) -> list[Any]:
        """Returns an answer or an error for each command."""
        try:
            answers = await self._execute(batch)
            # Redis was restarted, or another one has taken over.
            unknown = [
                index for index, each in enumerate(answers) if isinstance(each, NoScriptError)
            ]
            if unknown:
                for script in {batch[index].script for index in unknown}:
                    await self._redis.script_load(script.script)
                again = await self._execute([batch[index] for index in unknown])
                for index, answer in zip(unknown, again, strict=True):
                    answers[index] = answer
        except Exception as error:
            return [error] * len(batch)
        return answers

    async def _execute(self, batch: Sequence[_Command]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in batch:
            pipeline.execute_command(
                "EVALSHA", command.script.sha, 1, command.key, *command.arguments
            )
        return await pipeline.execute(raise_on_error=False)


def _check(answer: Any) -> None:
    if not answer:
        raise Fenced


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _encode(message: Message) -> bytes:
    return _TEXT + message.encode() if isinstance(message, str) else _BINARY + message


def _decode(packed: bytes) -> Message:
    return packed[1:].decode() if packed.startswith(_TEXT) else packed[1:]
