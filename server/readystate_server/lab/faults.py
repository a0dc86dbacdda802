"""Faults at run time, for the connections of an id."""

import asyncio
import time
from collections.abc import Callable, Iterable

from aiohttp import web

from .applications import Applications
from .journal import MAX_ID
from .peer import Peer
from .query import Query
from .query import refuse as refused

MAX_SECONDS = 60
"""Seconds until a connection is reset."""
MAX_REFUSAL = 600
"""Seconds that an id may be refused."""
MAX_REFUSALS = 1_000
"""Ids that are refused at the same time; the oldest are dropped first."""


class Refusals:
    """The ids whose handshakes are refused, each for some time."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def set(self, id: str, seconds: float) -> None:
        """Refuse `id` for `seconds`; 0 stops that."""
        self._until.pop(id, None)
        if seconds:
            self._until[id] = time.monotonic() + seconds
            if len(self._until) > MAX_REFUSALS:
                del self._until[next(iter(self._until))]

    def left(self, id: str) -> float:
        """Return for how many more seconds `id` is refused."""
        left = self._until.get(id, 0) - time.monotonic()
        if left <= 0:
            self._until.pop(id, None)
        return max(0, left)


class FaultsPage:
    """The request handler of /faults/<id>."""

    def __init__(
        self,
        peers: Callable[[str], Iterable[Peer]],
        refusals: Refusals,
        applications: Applications,
        check_origin: Callable[[web.Request], None],
    ) -> None:
        self._peers = peers
        self._refusals = refusals
        self._applications = applications
        self._check_origin = check_origin

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Trigger the fault, and answer what it affected."""
        self._check_origin(request)
        id = request.match_info["id"]
        if len(id) > MAX_ID:
            raise refused("id", id, f"1 to {MAX_ID} characters")
        query = Query(request.query)
        deaf = query.flag("deaf")
        drop = query.seconds("drop", 0, MAX_SECONDS) if query.text("drop") is not None else None
        refuse = query.seconds("refuse", 0, MAX_REFUSAL)
        forget = query.flag("forget")
        if query.text("refuse") is not None:
            self._refusals.set(id, refuse)
        peers = list(self._peers(id))
        for peer in peers:
            if deaf or drop:
                peer.deafen()
            if drop:
                asyncio.get_running_loop().call_later(drop, peer.wire.abort)
            elif drop is not None:
                peer.wire.abort()
        sessions = await self._applications.forget(id) if forget else 0
        return web.json_response(
            {"connections": len(peers), "sessions": sessions, "refused": self._refusals.left(id)}
        )
