import json

from readystate import Heartbeat, QueuedWebSocket


def prices(url, **options):
    """A connection that comes back, and that is lost if the server is silent for ten seconds."""
    return QueuedWebSocket(url, heartbeat=Heartbeat(timeout=10), **options)


async def watch(ws, show):
    """Shows each price that the server sends, over one connection after another."""
    async with ws:
        async for message in ws:
            show(**json.loads(message))
