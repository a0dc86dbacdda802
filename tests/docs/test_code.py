"""The documentation's Python compiles, names what there is, and does what it says."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from readystate_server.lab import Server

from .pages import Block, python

BLOCKS = [*python()]
FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """What the examples connect to."""
    with Server() as server:
        yield server


def is_ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in ("readystate", "readystate_server")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_compiles_and_what_it_imports_of_ours_exists_with_the_options(block: Block) -> None:
    """The keywords of every call of a class or function of ours that it imports by name."""
    tree = compile(block.text, str(block), "exec", FLAGS | ast.PyCF_ONLY_AST)
    compile(block.text, str(block), "exec", FLAGS, dont_inherit=True)
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if is_ours(name.name) and "compat" not in name.name:
                    importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom) and is_ours(node.module):
            module = importlib.import_module(node.module or "")
            known |= {name.asname or name.name: getattr(module, name.name) for name in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            parameters = inspect.signature(known[node.func.id]).parameters.values()
            if any(each.kind is each.VAR_KEYWORD for each in parameters):
                continue
            names = {each.name for each in parameters}
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            assert given <= names, f"{node.func.id} has no {given - names}"


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.path is not None], ids=str)
def test_what_is_marked_runs(block: Block, server: Server) -> None:
    address = server.ws_url(block.path or "")
    text = block.text.replace("wss://example.org/feed", address)
    code = compile(text, str(block), "exec", FLAGS, dont_inherit=True)

    async def run() -> None:
        # As the interpreter's own loop of asyncio does: the code's value is a coroutine.
        result = eval(code, {"__name__": __name__})  # noqa: S307
        if inspect.isawaitable(result):
            await result

    asyncio.run(asyncio.wait_for(run(), 20))


def test_something_is_marked() -> None:
    assert len([block for block in BLOCKS if block.path is not None]) >= 7
