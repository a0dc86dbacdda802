"""Tries both distributions where nothing else is installed: a session over the lab's server."""

import asyncio
import re
import sys
from importlib.metadata import metadata
from pathlib import Path

import readystate
import readystate_server
from readystate_server.lab import Server
from readystate_server.lab.places import IS_CHECKOUT, PINS


async def main() -> None:
    with Server() as server:
        url = server.ws_url("/ws/session", id="one", echo=1)
        async with readystate.QueuedWebSocket(url, session=True) as ws:
            await ws.send("once")
            assert await ws.recv() == "once"
            server.drop("one")
            await ws.send("again")
            assert await ws.recv() == "again"


assert readystate.__version__ == readystate_server.__version__
assert not IS_CHECKOUT
assert (PINS / "package.json").is_file()
# What PyPI shows has no link that leads nowhere.
described = str(metadata("readystate").get_payload())
assert re.findall(r"\]\((?!https?:|#)[^)]*\)", described) == []
assert "## Which one do I want?" in described
for package in (readystate, readystate_server):
    folder = Path(str(package.__file__)).parent
    assert folder.is_relative_to(sys.prefix), folder
    assert (folder / "py.typed").is_file()
asyncio.run(asyncio.wait_for(main(), 30))
