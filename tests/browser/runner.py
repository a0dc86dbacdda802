"""Runs a function of a test file inside Pyodide. The page imports this module; CPython does not.

A call and its result cross as Python literals.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import linecache
import pprint
import traceback
from types import FrameType
from typing import Any

from readystate import WebSocket

from . import inpage

# What a test module imports that exists on CPython only.
_CPYTHON_ONLY = ("pytest", "playwright", "readystate.server", "tests.browser.in_browser")


async def call(source: str, path: str, name: str, arguments: str, timeout: float) -> str:
    """Runs the function ``name`` of the module ``source`` and returns ``repr((ok, result))``.

    Args:
        source: The text of the module. Its imports, constants and helper functions come along.
        path: Its path, for tracebacks.
        arguments: ``repr`` of the keyword arguments.
        timeout: In seconds.
    """
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    loop = asyncio.get_event_loop()
    loop.set_exception_handler(lambda _, context: inpage.reported.append(context))
    try:
        function = _load(source, path, name)
        async with asyncio.timeout(timeout):
            result = await function(**ast.literal_eval(arguments))
        if inpage.reported:
            raise AssertionError(f"reported, and not expected: {inpage.reported}")
        answer = repr((True, result))
        ast.literal_eval(answer)
    except BaseException as error:
        answer = repr((False, _describe(error, path)))
    finally:
        inpage.reported.clear()
        loop.set_exception_handler(None)
        for thing in gc.get_objects():
            # One whose constructor raised, and that a traceback refers to, has no native object.
            if type(thing) is WebSocket and hasattr(thing, "js_websocket"):
                thing.js_websocket.close()
    return answer


def _load(source: str, path: str, name: str) -> Any:
    tree = ast.parse(source, path)
    tree.body = [node for node in tree.body if _is_wanted(node, name)]
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name:
            node.decorator_list = []
    namespace: dict[str, Any] = {"__name__": "__test__"}
    exec(compile(tree, path, "exec"), namespace)  # noqa: S102 - the tests' own source
    return namespace[name]


def _is_wanted(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Import):
        return not any(alias.name.startswith(_CPYTHON_ONLY) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return not (node.module or "").startswith(_CPYTHON_ONLY)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return node.name == name or not (node.decorator_list or node.name.startswith("test_"))
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    return isinstance(node, ast.ClassDef)


def _describe(error: BaseException, path: str) -> str:
    text = "".join(traceback.format_exception(error))
    frame = _last_frame(error, path)
    if frame is not None and frame.f_locals:
        text += "\nwith\n" + "".join(
            f"  {name} = {pprint.saferepr(value)[:500]}\n" for name, value in frame.f_locals.items()
        )
    return text


def _last_frame(error: BaseException, path: str) -> FrameType | None:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next((frame for frame in reversed(frames) if frame.f_code.co_filename == path), None)
