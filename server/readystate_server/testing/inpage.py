"""Helpers for test functions that run in Pyodide or on CPython."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from readystate import Event, WebSocket

# What went to the event loop's exception handler. A test that expects it removes it.
reported: list[dict[str, Any]] = []

# The address of the tests' server, http://..., where the page is not from it.
server = ""

if sys.platform in ("emscripten", "webassembly"):
    import js

    def _server() -> str:
        return server or str(js.location.origin)

    async def _get(address: str) -> tuple[bool, str]:
        """Return whether the request succeeded, and the response's text."""
        response = await js.fetch(address)
        return bool(response.ok), str(await response.text())

else:
    import urllib.error
    import urllib.request

    def _server() -> str:
        return server

    async def _get(address: str) -> tuple[bool, str]:
        def get() -> tuple[bool, str]:
            try:
                with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310
                    return True, response.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return False, error.read().decode()

        return await asyncio.to_thread(get)


def url(path: str, **query: Any) -> str:
    """Returns the WebSocket URL of a path of the tests' server."""
    address = _server().replace("http", "ws", 1) + path
    return f"{address}?{urlencode(query)}" if query else address


def new_id() -> str:
    """Returns a unique id for the server's journal."""
    return str(uuid.uuid4())


async def journal(id: str, **wait: Any) -> list[dict[str, Any]]:
    """Returns what the server received on the connections with ``id``; waits like the journal."""
    # Firefox is slow to connect to a server that has refused others.
    query = f"?{urlencode({'timeout': 20} | wait)}" if wait else ""
    is_there, text = await _get(f"{_server()}/journal/{id}{query}")
    assert is_there, text
    connections: list[dict[str, Any]] = json.loads(text)
    return connections


async def all_gone(id: str) -> None:
    """Waits until no connection with ``id`` is open; browsers may not even have started them."""
    await closed(await opened(id=id))
    seen = len(await journal(id, closed=1))
    await journal(id, closed=seen)


def event(ws: WebSocket, type: str) -> asyncio.Future[Any]:
    """Returns the next event of ``type``; listens from now on, not only when awaited."""
    future: asyncio.Future[Event] = asyncio.get_event_loop().create_future()

    def listener(event: Event) -> None:
        if not future.done():
            future.set_result(event)

    ws.addEventListener(type, listener, once=True)
    return future


async def opened(path: str = "/ws/echo", protocols: Any = None, **query: Any) -> WebSocket:
    """Returns an open socket."""
    ws = WebSocket(url(path, **query), protocols)
    await event(ws, "open")
    return ws


async def closed(ws: WebSocket, *arguments: Any) -> Any:
    """Closes the socket, and returns its ``close`` event."""
    future = event(ws, "close")
    ws.close(*arguments)
    return await future


async def write(files: dict[str, bytes]) -> None:
    """Writes modules, by path, to where Python finds them."""
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    importlib.invalidate_caches()


async def until(condition: Callable[[], Any]) -> None:
    """Waits, in turns of the event loop, until the condition holds."""
    while not condition():
        await asyncio.sleep(0)


async def turns(count: int = 10) -> None:
    """Waits for ``count`` turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def all_delivered(ws: WebSocket) -> None:
    """Waits until the effects of the socket's ``close`` event are complete."""
    await until(lambda: ws._native_listener is None)


class Logged(logging.Handler):
    """Collects what is logged in the block about dropped messages, instead of the console."""

    def __enter__(self) -> list[str]:
        self.lines: list[str] = []
        logging.getLogger("readystate").addHandler(self)
        return self.lines

    def __exit__(self, *_: object) -> None:
        logging.getLogger("readystate").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Caught:
    """The exception that :func:`raises` has caught."""

    value: Any = None


@contextmanager
def raises(*classes: type[BaseException], match: str = "") -> Iterator[Caught]:
    """Checks that the block raises one of ``classes``, with a text that matches ``match``."""
    caught = Caught()
    try:
        yield caught
    except classes as error:
        assert re.search(match, str(error)), f"{match!r} is not in {str(error)!r}"
        caught.value = error
    else:
        raise AssertionError(f"did not raise {' or '.join(cls.__name__ for cls in classes)}")
