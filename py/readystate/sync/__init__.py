"""Blocking connections, in the vocabulary of ``websockets.sync.client``.

::

    from readystate.sync import connect

    with connect("wss://example.org/feed") as ws:
        ws.send("hello")
        for message in ws:
            ...

In a page, what waits suspends Python (JSPI), and handlers of events and tasks go on meanwhile. On
CPython, each connection has an event loop in a thread of its own, and any thread may use it.
"""

from .client import connect
from .connection import Connection

__all__ = ["Connection", "connect"]
