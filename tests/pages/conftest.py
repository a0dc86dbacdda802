"""The Python of the pages, on CPython: with a page that is faked, and a real server."""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from readystate_server.lab import Server
from readystate_server.lab.places import WEB
from tests.coroutines import end_what_is_left

from .dom import FakePage

NAMES = {path.stem for path in WEB.glob("*.py")}

OpenFake: TypeAlias = Callable[..., FakePage]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The project's server, for a file."""
    with Server() as server:
        yield server


@pytest.fixture
def open_fake(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenFake]:
    """A function that opens the first page, of this server or at another address."""

    def open_fake(url: str = f"{server.url}/") -> FakePage:
        page = FakePage((WEB / "index.html").read_text(encoding="utf-8"), url)
        monkeypatch.syspath_prepend(str(WEB))
        for name, module in page.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        opened.append(page)
        return page

    opened: list[FakePage] = []
    logger = logging.getLogger("readystate")
    level = logger.level  # which a page may change
    yield open_fake
    logger.setLevel(level)
    for name in NAMES & set(sys.modules):
        del sys.modules[name]
    for page in opened:
        assert page.errors == []


@pytest.fixture
def fake(open_fake: OpenFake) -> FakePage:
    """The first page, as the server has it."""
    return open_fake()


def load(name: str) -> Any:
    """A module of the page, which is imported for each test anew."""
    return importlib.import_module(name)


@asynccontextmanager
async def alive(main: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """A part of the page works, until the block ends; it must not have failed.

    What it has begun is over then, without its connections.
    """
    before = asyncio.all_tasks()
    working = asyncio.ensure_future(main)
    await asyncio.sleep(0)
    yield
    assert not working.done() or working.exception() is None, working
    working.cancel()
    await asyncio.wait([working])
    await end_what_is_left()
    while begun := asyncio.all_tasks() - before:
        await asyncio.wait(begun)


async def until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds."""
    while not condition():
        await asyncio.sleep(0.01)


def numbers(server: Server, id: str) -> list[int]:
    """The messages in the server's journal, which are numbers, as they came."""
    messages = [message for entry in server.journal(id) for message in entry["messages"]]
    return [int(message["data"]) for message in sorted(messages, key=lambda found: found["order"])]
