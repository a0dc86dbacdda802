import json

from readystate import connect


async def watch(url, show):
    """Shows each price that the server sends, until the connection is closed."""
    async with connect(url) as ws:
        async for message in ws:
            show(**json.loads(message))
