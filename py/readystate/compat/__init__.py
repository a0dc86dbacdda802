"""Runs Python's WebSocket libraries in a page, unmodified.

::

    import readystate.compat

    readystate.compat.install()

    import websockets

    async with websockets.connect("wss://example.org/feed") as ws:
        await ws.send("hello")

``websockets``, ``aiohttp``'s ``ws_connect()`` and the like speak HTTP and WebSocket themselves; all
they lack in a page is a connection. :func:`install` makes the event loop connect them to the
browser's ``WebSocket``. Exceptions, limits and reconnecting remain the library's own.

What a page cannot do, no library can: set headers, ``Origin``, certificates or proxies, ping the
server, or tell why a connection failed. Such requests are ignored if harmless; otherwise there is
one warning.
"""

from .loop import Installation, install, uninstall
from .transport import Rewrite

__all__ = ["Installation", "Rewrite", "install", "uninstall"]
