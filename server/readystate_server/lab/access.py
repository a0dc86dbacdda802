"""Access control by the Host and Origin headers."""

import ipaddress
from collections.abc import Awaitable, Callable, Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(address: str) -> bool:
    """Whether `address` (numeric) is reachable from this machine alone."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def host_name(host: str) -> str:
    """Return a Host header's value without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def loopback_only(names: Collection[str] = LOOPBACK_NAMES) -> Middleware:
    """Return a middleware that answers 403 unless Host is one of `names`.

    A page of another site can point its name at 127.0.0.1 (DNS rebinding) to have the same origin
    as this server; the Host header reveals it.
    """

    @web.middleware
    async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        for host in request.headers.getall(hdrs.HOST, [""]):
            if host_name(host) not in names:
                raise web.HTTPForbidden(
                    text=f"Host {host!r} does not name this machine: use localhost or 127.0.0.1.\n"
                )
        return await handler(request)

    return check_host


def origin_check(allowed: Collection[str]) -> Callable[[web.Request], None]:
    """Return a function that raises HTTPForbidden for an upgrade from a foreign page.

    It accepts requests without Origin (no browser), from the server's own origin, and from those in
    `allowed` ("*": any).
    """

    def check_origin(request: web.Request) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        own = f"{request.scheme}://{request.headers.get(hdrs.HOST, '')}"
        if origin in (None, own) or "*" in allowed or origin in allowed:
            return
        raise web.HTTPForbidden(
            text=f"Origin {origin!r} is not allowed: start the server with --allow-origin.\n"
        )

    return check_origin


def sharing(
    paths: tuple[str, ...], allowed: Collection[str]
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Return a signal handler that shares responses of `paths` with other origins (CORS).

    Only with those in `allowed` ("*": all).
    """

    async def share(request: web.Request, response: web.StreamResponse) -> None:
        if not request.path.startswith(paths):
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and ("*" in allowed or origin in allowed):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin

    return share
