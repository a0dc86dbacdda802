"""Lets Python's WebSocket libraries run in a page, as they are.

::

    import readystate.compat

    readystate.compat.install()

    import websockets

    async with websockets.connect("wss://example.org/feed") as ws:
        await ws.send("hello")

``websockets``, ``aiohttp``'s ``ws_connect()`` and what is built on them speak HTTP and WebSocket
themselves, and lack just one thing here: a connection. :func:`install` has the event loop make
ones that lead to the browser's ``WebSocket``. The library's own code does all the rest: its
exceptions, its limits, its reconnecting.

A page's connections are the browser's, so that what a page cannot do, no library can: headers, an
``Origin``, certificates and proxies of one's own, pings that reach the server, and the reason why
a connection failed. What can be ignored without harm is; what cannot is warned of once.
"""

from .loop import Installation, install, uninstall
from .transport import Rewrite

__all__ = ["Installation", "Rewrite", "install", "uninstall"]
