"""/ws/chat: who is in a room hears what is said there, once; and nobody can have too much of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from readystate import DeliveryState
from readystate.session.control import TOO_MUCH, Window
from readystate_server.lab import Server, chat
from tests.server.session_client import TIMEOUT, SessionClient, WebSocketWire, connect


def run(test: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(2 * TIMEOUT):
            await test

    asyncio.run(main())


class Person(SessionClient):
    """Somebody in a room, over one connection after the other."""

    def __init__(self, url: str, origin: str, **options: Any) -> None:
        super().__init__(**options)
        self._url = url
        self._origin = origin

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[WebSocketWire]:
        async with (
            connect(self._url, origin=self._origin) as wire,
            self.connected(wire),
        ):
            await self.until_joined()
            yield wire

    async def refusal(self) -> str | None:
        """Why this one is not let in."""
        async with connect(self._url, origin=self._origin) as wire:
            assert await self.serve(wire) == chat.REFUSED
            return wire.close_reason

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.received]

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(event["from"], event["text"]) for event in self.events if "text" in event]

    def those(self, where: str) -> list[str]:
        """Who is "here", or "away"."""
        lists = [event[where] for event in self.events if where in event]
        return lists[-1] if lists else []

    async def until_heard(self, count: int) -> None:
        await self.until(lambda: len(self.heard) >= count)

    async def until_here(self, *names: str) -> None:
        await self.until(lambda: self.those("here") == list(names))

    async def until_away(self, *names: str) -> None:
        await self.until(lambda: self.those("away") == list(names))


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return uuid.uuid4().hex[:12]


def person(server: Server, room: str, name: str, **options: Any) -> Person:
    url = server.ws_url("/ws/chat", room=room, name=name, id=f"{room}-{name}"[:200])
    return Person(url, server.url, **options)


def test_those_in_a_room_hear_each_other_and_nobody_else_does(server: Server, room: str) -> None:
    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        eve = person(server, f"not {room}", "Eve")
        async with ada.connection(), bob.connection(), eve.connection():
            await ada.until_here("Ada", "Bob")
            await bob.until_here("Ada", "Bob")
            await eve.until_here("Eve")
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

    run(main())


def test_who_comes_later_hears_what_was_said_last(
    server: Server, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "PAUSE", 0.001)

    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        count = chat.MAX_HISTORY + 5
        async with ada.connection():
            for number in range(count):
                ada.send(str(number))
            await ada.until_confirmed()
            async with bob.connection():
                await bob.until_here("Ada", "Bob")
        texts = [text for _, text in bob.heard]
        assert texts == [str(number) for number in range(count)][-chat.MAX_HISTORY :]

    run(main())


def test_lost_connections_lose_nothing_and_repeat_nothing(server: Server, room: str) -> None:
    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        async with bob.connection() as his:
            async with ada.connection() as hers:
                await bob.until_here("Bob", "Ada")
                deliveries = [ada.send(str(number)) for number in range(5)]
                hers.abort()
            await bob.until_away("Ada")
            assert bob.those("here") == ["Bob"]
            his.abort()
        deliveries += [ada.send(str(number)) for number in range(5, 8)]
        async with ada.connection():
            await ada.until_confirmed()
            await ada.until_away("Bob")
            async with bob.connection():
                await bob.until_here("Bob", "Ada")
                ada.send("last")
                await bob.until_heard(9)
                await ada.until_away()
        assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}
        assert [text for _, text in bob.heard] == [*map(str, range(8)), "last"]

    run(main())


@pytest.mark.parametrize("code", [1000, 1001])
def test_who_closes_is_gone_at_once_and_the_name_is_free(
    server: Server, room: str, code: int
) -> None:
    async def main() -> None:
        ada = person(server, room, "Ada")
        async with ada.connection():
            async with person(server, room, "Bob").connection() as his:
                await ada.until_here("Ada", "Bob")
                await his.close(code)
                await ada.until_here("Ada")
            async with person(server, room, "Bob").connection():
                await ada.until_here("Ada", "Bob")

    run(main())


def test_who_does_not_come_back_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(server: Server) -> None:
        ada = person(server, "expiring", "Ada")
        async with ada.connection():
            async with person(server, "expiring", "Bob").connection():
                await ada.until_here("Ada", "Bob")
            await ada.until_away("Bob")
            await ada.until_away()
            assert ada.those("here") == ["Ada"]

    monkeypatch.setattr(chat, "EXPIRES", 1)
    with Server() as own:
        run(main(own))


@pytest.mark.parametrize(
    "name",
    ["", " ", " Ada", "A  da", "A\nda", "A\u202eda", "A\u200bda", "x" * (chat.MAX_NAME + 1)],
)
@pytest.mark.parametrize("what", ["room", "name"])
def test_a_name_is_short_and_fit_to_be_shown(server: Server, what: str, name: str) -> None:
    names = {"room": "names", "name": "Ada", what: name}

    async def main() -> None:
        refusal = await person(server, **names).refusal()
        assert refusal == f"{what}: give 1 to {chat.MAX_NAME} printable characters"

    run(main())


@pytest.mark.parametrize("name", ["x" * chat.MAX_NAME, "<b>Ada</b>", "Ädä 😀", "a&name=b"])
def test_a_name_may_be_any_other(server: Server, name: str) -> None:
    async def main() -> None:
        someone = person(server, name, name)
        async with someone.connection():
            await someone.until_here(name)

    run(main())


def test_a_name_is_one_persons(server: Server, room: str) -> None:
    async def main() -> None:
        ada = person(server, room, "Ada")
        async with ada.connection():
            refusal = await person(server, room, "Ada").refusal()
            assert refusal == "that name is taken: choose another one"
            async with person(server, f"not {room}", "Ada").connection():
                pass

    run(main())


def test_a_room_can_be_full_and_there_can_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(server: Server) -> None:
        ada = person(server, "one", "Ada")
        async with ada.connection():
            async with person(server, "one", "Bob").connection() as his:
                await ada.until_here("Ada", "Bob")
                assert await person(server, "one", "Eve").refusal() == "the room is full"
                refusal = await person(server, "two", "Eve").refusal()
                assert refusal == "there are too many rooms"
                await his.close(1000)
                await ada.until_here("Ada")
            async with person(server, "one", "Eve").connection() as hers:
                await ada.until_here("Ada", "Eve")
                await hers.close(1000)
                await ada.until_here("Ada")

    monkeypatch.setattr(chat, "MAX_MEMBERS", 2)
    monkeypatch.setattr(chat, "MAX_ROOMS", 1)
    with Server() as own:
        run(main(own))


def test_a_room_that_is_left_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(server: Server, room: str) -> Person | None:
        """Says something and leaves, if let in."""
        ada = person(server, room, "Ada")
        async with ada.connection() as wire:
            await ada.until(lambda: bool(ada.received) or not ada.core.is_joined)
            if not ada.received:
                return None
            ada.send("something")
            await ada.until_confirmed()
            await wire.close(1000)
        return ada

    async def enter(server: Server, room: str) -> Person:
        while (ada := await visit(server, room)) is None:
            pass  # whoever was here before has not left yet
        return ada

    async def main(server: Server) -> None:
        await enter(server, "one")
        await enter(server, "two")
        again = await enter(server, "one")
        assert again.heard == []

    monkeypatch.setattr(chat, "MAX_ROOMS", 1)
    with Server() as own:
        run(main(own))


@pytest.mark.parametrize("message", ["", " \n", b"binary"])
def test_a_message_is_text(server: Server, room: str, message: str | bytes) -> None:
    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        async with ada.connection():
            async with bob.connection() as wire:
                await ada.until_here("Ada", "Bob")
                bob.send(message)
                await bob.until(lambda: not bob.core.is_joined)
                assert wire.close_code == chat.REFUSED
            await ada.until_here("Ada")
        assert ada.heard == []

    run(main())


def test_a_message_has_a_length_at_most(server: Server, room: str) -> None:
    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        async with ada.connection():
            async with bob.connection() as wire:
                bob.send("€" * chat.MAX_TEXT)
                await ada.until_heard(1)
                bob.send("x" * (chat.MAX_TEXT + 1))
                await bob.until(lambda: not bob.core.is_joined)
                assert wire.close_code == TOO_MUCH
            await ada.until_here("Ada")
        assert ada.heard == [("Bob", "€" * chat.MAX_TEXT)]

    run(main())


def test_who_says_much_is_heard_slowly(server: Server, room: str) -> None:
    """Nothing is lost: the sender waits."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        async with ada.connection(), bob.connection():
            await ada.until_here("Ada", "Bob")
            since = loop.time()
            for number in range(chat.BURST + 5):
                bob.send(str(number))
            await ada.until_heard(chat.BURST + 5)
            assert loop.time() - since >= 4 * chat.PAUSE
        assert [text for _, text in ada.heard] == list(map(str, range(chat.BURST + 5)))

    run(main())


def test_who_does_not_read_has_to_go_and_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(server: Server) -> None:
        ada, bob = person(server, "slow", "Ada"), person(server, "slow", "Bob")
        eve = person(server, "slow", "Eve", window=Window(1, 2**20))
        eve.acknowledges = False
        async with ada.connection(), bob.connection(), eve.connection() as hers:
            await ada.until_here("Ada", "Bob", "Eve")
            for number in range(20):
                ada.send(f"{number} ".ljust(chat.MAX_TEXT, "."))
            await bob.until_heard(20)
            await bob.until_here("Ada", "Bob")
            await eve.until(lambda: not eve.core.is_joined)
            assert hers.close_code == chat.REFUSED
            assert hers.close_reason == "too many messages are unread"

    monkeypatch.setattr(chat, "MAX_PENDING", 4000)
    monkeypatch.setattr(chat, "PAUSE", 0.01)
    with Server() as own:
        run(main(own))


def test_history_of_the_longest_messages_can_be_read(
    server: Server, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "PAUSE", 0.001)

    async def main() -> None:
        ada, bob = person(server, room, "Ada"), person(server, room, "Bob")
        async with ada.connection():
            for _ in range(chat.MAX_HISTORY):
                ada.send("\0" * chat.MAX_TEXT)  # what takes most room in JSON
            await ada.until_confirmed()
            async with bob.connection():
                await bob.until_here("Ada", "Bob")
        assert len(bob.heard) == chat.MAX_HISTORY

    run(main())
