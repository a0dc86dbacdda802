"""/ws/chat: who is in a room hears what is said there, once; and nobody can have too much of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import pytest

from readystate import Backoff, ConnectionClosedError, DeliveryState, QueuedWebSocket, State
from readystate._host.cpython.native_websocket import open_sockets
from readystate.session.control import TOO_MUCH
from readystate_server.lab import Server, chat
from readystate_server.testing.inpage import until


class Person:
    """Somebody in a room, over one connection after the other.

    Attributes:
        ws: Sends, and receives if this one reads.
        received: The events that have arrived.
    """

    def __init__(self, server: Server, room: str, name: str, *, reads: bool = True) -> None:
        self._url = server.ws_url("/ws/chat", room=room, name=name, id=f"{room}-{name}"[:200])
        self._reads = reads
        # Nobody comes back unasked.
        backoff, window = Backoff(600, 600, jitter=0), 1000 if reads else 1
        self.ws = QueuedWebSocket(self._url, session=True, max_queue=window, backoff=backoff)
        self.send = self.ws.send
        self.received: list[dict[str, Any]] = []

    @contextlib.asynccontextmanager
    async def enter(self) -> AsyncIterator[Person]:
        """Over a connection that is lost at the end."""
        if self.ws.stats.attempts:
            self.ws.reconnect()
        else:
            self.ws.start()
            if self._reads:
                self._reading = asyncio.create_task(self._read())
        await until(lambda: self.ws.state in (State.OPEN, State.CLOSED))
        yield self
        for wire in self.wires():
            wire.abort()
        await until(lambda: self.ws.state is not State.OPEN)

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosedError):
            async for event in self.ws:
                self.received.append(json.loads(event))

    def wires(self) -> list[Any]:
        """Those of the connections that have not ended."""
        return [each._wire for each in open_sockets() if each.url == self._url]

    async def ended(self) -> Any:
        """Waits until the server ends this one's session; how it has."""
        changes = [change async for change in self.ws.states()]
        return changes[-1].error

    async def refusal(self) -> str:
        async with self.enter():
            error = await self.ended()
            assert error.code == chat.REFUSED
            return str(error.reason)

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(event["from"], event["text"]) for event in self.received if "text" in event]

    def those(self, where: str) -> list[str]:
        """Who is "here", or "away"."""
        lists = [event[where] for event in self.received if where in event]
        return lists[-1] if lists else []

    async def until_heard(self, count: int) -> None:
        await until(lambda: len(self.heard) >= count)

    async def until_here(self, *names: str) -> None:
        await until(lambda: self.those("here") == list(names))

    async def until_away(self, *names: str) -> None:
        await until(lambda: self.those("away") == list(names))


Room: TypeAlias = Callable[..., Person]
"""Makes a person of a room by the name."""


@pytest.fixture
def room(server: Server) -> Room:
    """A room of the test's own."""
    return partial(Person, server, uuid.uuid4().hex[:12])


@pytest.fixture
def neighbour(server: Server) -> Room:
    """The room beside it."""
    return partial(Person, server, uuid.uuid4().hex[:12])


@contextlib.contextmanager
def limited(**limits: float) -> Iterator[Server]:
    """A server whose chat has these limits."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in limits.items():
            monkeypatch.setattr(chat, name, value)
        with Server() as server:
            yield server


@contextlib.asynccontextmanager
async def people(room: Room, *names: str) -> AsyncIterator[list[Person]]:
    """Some who enter one after the other, each of whom knows of all."""
    async with contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(room(name).enter()) for name in names]
        for person in people:
            await person.until_here(*names)
        yield people


async def test_those_in_a_room_hear_each_other_and_nobody_else_does(
    room: Room, neighbour: Room
) -> None:
    async with people(room, "Ada", "Bob") as (ada, bob), people(neighbour, "Eve") as (eve,):
        ada.send("<b>hello</b>")
        await bob.until_heard(1)
        bob.send("hello\n\0\U0001f600")
        await ada.until_heard(1)
        eve.send("alone")
        ada.send("bye")
        await bob.until_heard(2)
    assert bob.heard == [("Ada", "<b>hello</b>"), ("Ada", "bye")]
    assert ada.heard == [("Bob", "hello\n\0\U0001f600")]
    assert eve.heard == []


@pytest.mark.parametrize(
    "texts",
    [
        [str(number) for number in range(chat.MAX_HISTORY + 5)],
        ["\0" * chat.MAX_TEXT] * chat.MAX_HISTORY,  # what takes most room in JSON
    ],
    ids=["many", "long"],
)
async def test_who_comes_later_hears_what_was_said_last(
    room: Room, monkeypatch: pytest.MonkeyPatch, texts: list[str]
) -> None:
    monkeypatch.setattr(chat, "PAUSE", 0.001)
    async with people(room, "Ada") as (ada,):
        for text in texts:
            ada.send(text)
        await ada.ws.drain()
        async with room("Bob").enter() as bob:
            await bob.until_here("Ada", "Bob")
    assert [text for _, text in bob.heard] == texts[-chat.MAX_HISTORY :]


async def test_lost_connections_lose_nothing_and_repeat_nothing(room: Room) -> None:
    async with room("Bob").enter() as bob:
        async with room("Ada").enter() as ada:
            await bob.until_here("Bob", "Ada")
            deliveries = [ada.send(str(number)) for number in range(5)]
        await bob.until_away("Ada")
        assert bob.those("here") == ["Bob"]
    deliveries += [ada.send(str(number)) for number in range(5, 8)]
    async with ada.enter():
        await ada.ws.drain()
        await ada.until_away("Bob")
        async with bob.enter():
            await bob.until_here("Bob", "Ada")
            ada.send("last")
            await bob.until_heard(9)
            await ada.until_away()
    assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}
    assert [text for _, text in bob.heard] == [*map(str, range(8)), "last"]


@pytest.mark.parametrize("code", [1000, 1001])
async def test_who_closes_is_gone_at_once_and_the_name_is_free(room: Room, code: int) -> None:
    async with room("Ada").enter() as ada:
        async with room("Bob").enter() as bob:
            await ada.until_here("Ada", "Bob")
            for wire in bob.wires():
                wire.close(code, "")
            await ada.until_here("Ada")
        async with room("Bob").enter():
            await ada.until_here("Ada", "Bob")


async def test_who_does_not_come_back_is_gone() -> None:
    with limited(EXPIRES=1) as server:
        room = partial(Person, server, "expiring")
        async with room("Ada").enter() as ada:
            async with room("Bob").enter():
                await ada.until_here("Ada", "Bob")
            await ada.until_away("Bob")
            await ada.until_away()
            assert ada.those("here") == ["Ada"]


@pytest.mark.parametrize(
    "name",
    ["", " ", " Ada", "A  da", "A\nda", "A\u202eda", "A\u200bda", "x" * (chat.MAX_NAME + 1)],
)
@pytest.mark.parametrize("what", ["room", "name"])
async def test_a_name_is_short_and_fit_to_be_shown(server: Server, what: str, name: str) -> None:
    names: dict[str, Any] = {"room": "names", "name": "Ada", what: name}
    refusal = await Person(server, **names).refusal()
    assert refusal == f"{what}: give 1 to {chat.MAX_NAME} printable characters"


@pytest.mark.parametrize("name", ["x" * chat.MAX_NAME, "<b>Ada</b>", "Ädä 😀", "a&name=b"])
async def test_a_name_may_be_any_other(server: Server, name: str) -> None:
    async with people(partial(Person, server, name), name):
        pass


async def test_a_name_is_one_persons(room: Room, neighbour: Room) -> None:
    async with people(room, "Ada"), people(neighbour, "Ada"):
        refusal = await room("Ada").refusal()
        assert refusal == "that name is taken: choose another one"


async def test_a_room_can_be_full_and_there_can_be_too_many() -> None:
    with limited(MAX_MEMBERS=2, MAX_ROOMS=1) as server:
        room = partial(Person, server, "one")
        async with room("Ada").enter() as ada:
            for name in ("Bob", "Eve"):
                async with room(name).enter() as second:
                    await ada.until_here("Ada", name)
                    assert await room("Third").refusal() == "the room is full"
                    refusal = await Person(server, "two", "Third").refusal()
                    assert refusal == "there are too many rooms"
                    await second.ws.close()
                    await ada.until_here("Ada")


async def test_a_room_that_is_left_is_forgotten() -> None:
    async def visit(server: Server, name: str) -> Person:
        """Says something and leaves, as soon as whoever was there has left."""
        while True:
            async with Person(server, name, "Ada").enter() as ada:
                await until(lambda: ada.received or ada.ws.state is State.CLOSED)
                if ada.received:
                    ada.send("something")
                    await ada.ws.drain()
                    await ada.ws.close()
                    return ada

    with limited(MAX_ROOMS=1) as server:
        await visit(server, "one")
        await visit(server, "two")
        assert (await visit(server, "one")).heard == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        *(("", chat.REFUSED), (" \n", chat.REFUSED), (b"binary", chat.REFUSED)),
        ("x" * (chat.MAX_TEXT + 1), TOO_MUCH),
    ],
)
async def test_a_message_is_text_of_some_length(
    room: Room, message: str | bytes, code: int
) -> None:
    longest = "€" * chat.MAX_TEXT
    async with room("Ada").enter() as ada:
        async with room("Bob").enter() as bob:
            bob.send(longest)
            await ada.until_heard(1)
            bob.send(message)
            assert (await bob.ended()).code == code
        await ada.until_here("Ada")
    assert ada.heard == [("Bob", longest)]


async def test_who_says_much_is_heard_slowly(room: Room) -> None:
    """Nothing is lost: the sender waits."""
    texts = [str(number) for number in range(chat.BURST + 5)]
    loop = asyncio.get_running_loop()
    async with people(room, "Ada", "Bob") as (ada, bob):
        since = loop.time()
        for text in texts:
            bob.send(text)
        await ada.until_heard(len(texts))
        assert loop.time() - since >= 4 * chat.PAUSE
    assert [text for _, text in ada.heard] == texts


async def test_who_does_not_read_has_to_go_and_keeps_nobody_waiting() -> None:
    with limited(MAX_PENDING=4000, PAUSE=0.01) as server:
        room = partial(Person, server, "slow")
        eve = room("Eve", reads=False)
        async with people(room, "Ada", "Bob") as (ada, bob), eve.enter():
            await ada.until_here("Ada", "Bob", "Eve")
            for number in range(20):
                ada.send(f"{number} ".ljust(chat.MAX_TEXT, "."))
            await bob.until_heard(20)
            await bob.until_here("Ada", "Bob")
            error = await eve.ended()
            assert (error.code, error.reason) == (chat.REFUSED, "too many messages are unread")
