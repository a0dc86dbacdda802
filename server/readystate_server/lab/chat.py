"""The endpoint /ws/chat: chat rooms with sessions."""

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from typing import Any

from readystate import ConnectionClosed
from readystate_server.sessions import ServerSession, Sessions

from .applications import Transport
from .endpoints import Behaviour, Faults
from .peer import Peer
from .query import Query

MAX_ROOMS = 100
MAX_MEMBERS = 50
MAX_SESSIONS = 500
MAX_NAME = 30
"""Characters in the name of a room or a member."""
MAX_TEXT = 500
"""Characters in a message."""
MAX_HISTORY = 50
"""Messages of a room that are kept for new members, until it is empty."""
MAX_PENDING = 2**18
"""Bytes that may wait for a member; one that does not read is dismissed."""
BURST = 10
"""Messages accepted from a member in a burst; then one per PAUSE."""
PAUSE = 0.2
"""Seconds."""
EXPIRES = 60
"""Seconds that a member without a connection is away before it is gone."""
LOOK = 0.25
"""Seconds between checks of who is connected."""
GOING_AWAY = 1001
"""The browser's close code when a page is left."""
REFUSED = 4403
"""The close code for a refusal, with its reason."""


class Room:
    """A room: its members, and their last messages."""

    def __init__(self) -> None:
        self.members: dict[str, ServerSession] = {}
        self._history: deque[str] = deque(maxlen=MAX_HISTORY)
        self._presence = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def enter(self, name: str, session: ServerSession) -> None:
        """Add a member, send it the history, and tell all who is here."""
        if not self.members:
            self._begin(self._watch())
        self.members[name] = session
        for event in list(self._history):
            await self._tell(name, event)
        await self._tell_who_is_here()

    async def leave(self, name: str, session: ServerSession) -> None:
        """Remove a member, and tell the others who is here."""
        if self.members.get(name) is session:
            del self.members[name]
            await self._tell_who_is_here()

    async def say(self, name: str, text: str) -> None:
        """Send a message to the others."""
        event = encode({"from": name, "text": text})
        self._history.append(event)
        for other in [member for member in self.members if member != name]:
            await self._tell(other, event)

    async def _watch(self) -> None:
        """Notice lost and new connections."""
        while self.members:
            await self._tell_who_is_here()
            await asyncio.sleep(LOOK)

    async def _tell_who_is_here(self) -> None:
        """Tell all who is here, if that has changed."""
        here = [name for name, session in self.members.items() if session.is_connected]
        presence = encode(
            {"here": here, "away": [name for name in self.members if name not in here]}
        )
        if presence != self._presence:
            self._presence = presence
            for name in list(self.members):
                await self._tell(name, presence)

    async def _tell(self, name: str, event: str) -> None:
        """Send to one member, without waiting for it to read."""
        session = self.members.get(name)
        if session is None:
            return
        try:
            async with asyncio.timeout(0):  # unless there is room at once
                await session.send(event)
        except ConnectionClosed:
            pass  # it is about to leave
        except TimeoutError:
            self._begin(session.close(REFUSED, "too many messages are unread"))
            await self.leave(name, session)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Chat:
    """The endpoint, and its rooms."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._sessions = Sessions(
            self._attend,
            expires=EXPIRES,
            close_timeout=1,
            window=BURST,
            max_message=MAX_TEXT,
            max_unconfirmed_bytes=MAX_PENDING,
            max_pending_bytes=MAX_PENDING,
            max_sessions=MAX_SESSIONS,
        )

    def __call__(self, query: Query) -> Behaviour:
        """Serve a member's connection, with faults."""
        place, name = query.text("room") or "", query.text("name") or ""
        faults = Faults(query)

        async def run(peer: Peer) -> None:
            peer.counts_only = True
            if await faults.open(peer):
                await self._sessions.serve(Transport(peer, faults), [place, name])
            if peer.close_code == GOING_AWAY:
                await self._dismiss(place, name)

        return run

    async def close(self) -> None:
        """End all sessions."""
        await self._sessions.close()

    async def _attend(self, session: ServerSession) -> None:
        """Serve a member from entering to leaving."""
        place, name = session.user
        why_not = self._why_not(place, name)
        if why_not is not None:
            await session.close(REFUSED, why_not)
            return
        room = self._rooms.setdefault(place, Room())
        loop = asyncio.get_running_loop()
        due = 0.0
        try:
            await room.enter(name, session)
            async for text in session:
                if not isinstance(text, str) or not text.strip():
                    await session.close(REFUSED, "a message must be a text, and not empty")
                    return
                await room.say(name, text)
                # Until then the message is not done, and later ones wait at the sender.
                due = max(due, loop.time()) + PAUSE
                await asyncio.sleep(due - loop.time() - BURST * PAUSE)
        finally:
            await room.leave(name, session)
            if not room.members:
                self._rooms.pop(place, None)

    async def _dismiss(self, place: str, name: str) -> None:
        """Remove a member whose page was left, although its session might still be resumed."""
        room = self._rooms.get(place)
        session = room and room.members.get(name)
        if room and session and not session.is_connected:
            await room.leave(name, session)
            await session.close()

    def _why_not(self, place: str, name: str) -> str | None:
        """Return why a member must not enter, or None."""
        for what, text in (("room", place), ("name", name)):
            if not is_name(text):
                return f"{what}: give 1 to {MAX_NAME} printable characters"
        if place not in self._rooms:
            return "there are too many rooms" if len(self._rooms) >= MAX_ROOMS else None
        members = self._rooms[place].members
        if name in members:
            return "that name is taken: choose another one"
        return "the room is full" if len(members) >= MAX_MEMBERS else None


def is_name(text: str) -> bool:
    """Whether `text` is printable, and has no redundant spaces."""
    return text.isprintable() and 0 < len(text) <= MAX_NAME and text == " ".join(text.split())


def encode(event: dict[str, object]) -> str:
    """Encode an event."""
    return json.dumps(event, ensure_ascii=False)
