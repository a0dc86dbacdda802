"""The aiohttp application: routes, and the headers of every response."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from .access import origin_check, sharing
from .applications import Applications
from .chat import Chat
from .endpoints import ENDPOINTS, MAX_DELAY, Behaviour
from .faults import FaultsPage, Refusals
from .journal import MAX_ID, Journal
from .peer import Peer
from .query import Query, refuse
from .static import StaticFiles
from .summary import summarize

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
PUBLIC = ("/vendor/", "/wheel/")
"""Paths of published files, which pages of any origin may load."""
PUBLIC_HEADERS: dict[str, str] = {
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class WebSockets:
    """The request handler of /ws/<endpoint>. It knows all connected peers."""

    def __init__(
        self,
        journal: Journal,
        *,
        allow_origins: Collection[str],
        max_message: int,
        max_connections: int,
    ) -> None:
        self._journal = journal
        self._check_origin = origin_check(allow_origins)
        self._max_message = max_message
        self._max_connections = max_connections
        self._peers: set[Peer] = set()
        self._refusals = Refusals()
        self._applications = Applications(journal)
        self._chat = Chat()
        self.faults: FaultsPage = FaultsPage(
            self._peers_of, self._refusals, self._applications, self._check_origin
        )
        self._endpoints: dict[str, Callable[[Query], Behaviour]] = {
            **ENDPOINTS,
            "session": self._applications,
            "chat": self._chat,
        }

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Check the request, then run the endpoint."""
        endpoint = self._endpoints.get(request.match_info["endpoint"])
        if endpoint is None:
            raise web.HTTPNotFound(
                text=f"There is no {request.path} here: use one of {', '.join(self._endpoints)}.\n"
            )
        if request.headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
            raise web.HTTPUpgradeRequired(
                text=f"{request.path} is a WebSocket: open it with one.\n",
                headers={hdrs.UPGRADE: "websocket", hdrs.CONNECTION: hdrs.UPGRADE},
            )
        self._check_origin(request)
        query = Query(request.query)
        behaviour = endpoint(query)
        delay = query.seconds("delay", 0, MAX_DELAY)
        peer = self._meet(request, query)
        self._peers.add(peer)
        try:
            if await peer.hold(delay):
                if peer.id is not None and self._refusals.left(peer.id):
                    peer.refuse(503)
                    return peer.response
                with contextlib.suppress(ConnectionError):  # the client goes whenever it likes
                    await behaviour(peer)
            return peer.response
        finally:
            await peer.release()
            self._peers.discard(peer)

    async def go_away(self, _: web.Application) -> None:
        """Close every connection."""
        lost = [peer.wire.lost for peer in self._peers]
        for peer in self._peers:
            peer.go_away()
        await self._applications.close()
        await self._chat.close()
        if lost:
            await asyncio.wait(lost, timeout=0.5)

    def _peers_of(self, id: str) -> Iterator[Peer]:
        return (peer for peer in self._peers if peer.id == id)

    def _meet(self, request: web.Request, query: Query) -> Peer:
        header = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []))
        offered = [name.strip() for name in header.split(",") if name.strip()]
        protocol = query.text("protocol")
        if protocol is None:
            protocol = offered[0] if offered else None
        elif not TOKEN.fullmatch(protocol):
            raise refuse("protocol", protocol, "letters, digits and !#$%&'*+.^_`|~-")
        compress = query.flag("compress")
        id = query.text("id")
        if id is not None and not 0 < len(id) <= MAX_ID:
            raise refuse("id", id, f"1 to {MAX_ID} characters")
        if len(self._peers) >= self._max_connections:
            raise web.HTTPServiceUnavailable(
                text=f"There are {self._max_connections} connections already: close one first.\n"
            )
        entry = id and self._journal.add(
            id,
            path=request.path,
            query=request.query_string,
            origin=request.headers.get(hdrs.ORIGIN),
            offered=offered,
            protocol=protocol or None,
        )
        return Peer(
            request,
            id=id,
            protocol=protocol or None,
            compress=compress,
            max_message=self._max_message,
            entry=entry or None,
        )


class JournalPage:
    """The request handler of /journal/ and of /journal/<id>."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def count(self, _: web.Request) -> web.StreamResponse:
        """Answer how many ids there are, which tells pages that the server has a journal."""
        return web.json_response({"ids": len(self._journal)})

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer with the connections of an id, at once or when enough has arrived."""
        id = request.match_info["id"]
        query = Query(request.query)
        messages = query.optional_integer("messages", 0, 2**31)
        closed = query.optional_integer("closed", 0, 2**31)
        summary = query.flag("summary")
        timeout = query.seconds("timeout", 5, MAX_DELAY)
        reached = await self._journal.wait(id, messages=messages, closed=closed, timeout=timeout)
        entries = self._journal.entries(id)
        if entries is None and reached:
            return web.json_response({"error": f"No connection had the id {id!r}."}, status=404)
        entries = entries or []
        found = summarize(entries) if summary else [entry.plain() for entry in entries]
        return web.json_response(found, status=200 if reached else 504)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Isolate responses that are not public; never cache failures."""
    response.headers.update(HEADERS)
    if request.path.startswith(PUBLIC):
        response.headers.update(PUBLIC_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
    if response.status >= 400:
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"


def build(
    journal: Journal,
    folders: Mapping[str, Path],
    *,
    middlewares: Collection[Middleware] = (),
    allow_origins: Collection[str],
    max_message: int,
    max_connections: int,
) -> web.Application:
    """Return the application; `folders` maps URL prefixes to folders."""
    sockets = WebSockets(
        journal,
        allow_origins=allow_origins,
        max_message=max_message,
        max_connections=max_connections,
    )
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/ws/{endpoint}", sockets.__call__, allow_head=False)
    journal_page = JournalPage(journal)
    app.router.add_get("/journal/", journal_page.count)
    app.router.add_get("/journal/{id:.+}", journal_page.__call__)
    app.router.add_post("/faults/{id:.+}", sockets.faults.__call__)
    app.router.add_get("/{path:.*}", StaticFiles(folders).__call__)
    app.on_response_prepare.append(add_headers)
    app.on_response_prepare.append(sharing(("/journal/", "/faults/"), allow_origins))
    app.on_shutdown.append(sockets.go_away)
    return app
