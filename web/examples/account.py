"""A thousand messages, while the server is killed and started again; and their account.

On CPython: python account.py ws://127.0.0.1:8000/ws/echo (pip install 'readystate[cpython]').
In a page: account.html, which imports this file.
"""

import asyncio
import sys

from readystate import Backoff, Heartbeat, QueuedWebSocket, State


async def account(url: str) -> None:
    """Send them all, whatever happens to the server, and print what became of each."""
    heartbeat = Heartbeat("ping", interval=20, timeout=10, is_reply=lambda text: text == "ping")
    async with QueuedWebSocket(url, heartbeat=heartbeat, backoff=Backoff(0.1, 1)) as ws:
        for number in range(500):
            ws.send(f"{number}")
        await ws.drain()
        print(ws.stats.confirmed, "confirmed. Now kill the server")
        async for change in ws.states():
            if change.state is State.WAITING:
                break
        for number in range(500, 1000):
            ws.send(f"{number}")
        print(ws.pending, "wait. Now start it again")
        await ws.drain()
        stats = ws.stats
    print(stats.accepted, "accepted,", stats.confirmed, "confirmed,", stats.dropped or 0, "dropped")


if __name__ == "__main__":
    asyncio.run(account(sys.argv[1]))
