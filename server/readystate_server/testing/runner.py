"""Runs a function of a test file in Pyodide. Only pages import this module.

Arguments and results are passed as Python literals.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import functools
import gc
import linecache
import pprint
import traceback
from types import CodeType, FrameType
from typing import Any

from readystate import WebSocket

from . import inpage


def offer() -> None:
    """Offer this module to tests, as the page's callPython."""
    import js
    from pyodide.ffi import create_proxy

    js.callPython = create_proxy(call)


async def call_alone(source: str, path: str, name: str, arguments: str, timeout: float) -> str:
    """Do what `call` does, where nothing else runs; then close all open sockets."""
    try:
        return await call(source, path, name, arguments, timeout)
    finally:
        for thing in gc.get_objects():
            # A socket whose constructor raised has no native object.
            if type(thing) is WebSocket and hasattr(thing, "js_websocket"):
                thing.js_websocket.close()


async def call(source: str, path: str, name: str, arguments: str, timeout: float) -> str:
    """Run the function ``name`` of the module ``source`` and return ``repr((ok, result))``.

    Args:
        source: The text of the module, with its imports, constants and helper functions.
        path: Its path, for tracebacks.
        arguments: ``repr`` of the keyword arguments.
        timeout: In seconds.
    """
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    loop = asyncio.get_event_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: inpage.reported.append(context))
    try:
        function = _load(source, path, name)
        async with asyncio.timeout(timeout):
            result = await function(**ast.literal_eval(arguments))
        if inpage.reported:
            raise AssertionError(f"unexpected exceptions were reported: {inpage.reported}")
        answer = repr((True, result))
        try:
            ast.literal_eval(answer)
        except (SyntaxError, ValueError):
            raise TypeError(
                f"{name}() returned {result!r}, which is not a Python literal"
            ) from None
    except BaseException as error:
        answer = repr((False, _describe(error, path)))
    finally:
        inpage.reported.clear()
        loop.set_exception_handler(handler)
    return answer


def _load(source: str, path: str, name: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "__test__"}
    for node, code in _compiled(source, path):
        if not _is_wanted(node, name):
            continue
        try:
            exec(code, namespace)  # noqa: S102 - the tests' own source
        except ImportError as error:
            if not isinstance(node, (ast.Import, ast.ImportFrom)):
                raise
            # Most likely it exists on CPython only, and the function does not use it.
            (alias,) = node.names
            namespace[alias.asname or alias.name.partition(".")[0]] = _Missing(error)
    return namespace[name]


@functools.lru_cache(maxsize=4)
def _compiled(source: str, path: str) -> list[tuple[ast.stmt, CodeType]]:
    """Return the statements of a module; its coroutine functions without decorators.

    An import of several names is split, so that one that a page lacks does not affect the others.
    """
    compiled = []
    for node in ast.parse(source, path).body:
        for single in _singles(node):
            bare = copy.copy(single)
            if isinstance(bare, ast.AsyncFunctionDef):
                bare.decorator_list = []
            compiled.append((single, compile(ast.Module([bare], []), path, "exec")))
    return compiled


def _singles(node: ast.stmt) -> list[ast.stmt]:
    if not isinstance(node, (ast.Import, ast.ImportFrom)):
        return [node]
    singles = [copy.copy(node) for _ in node.names]
    for single, alias in zip(singles, node.names, strict=True):
        single.names = [alias]
    return list[ast.stmt](singles)


class _Missing:
    """Replaces what could not be imported, and raises the error when used."""

    def __init__(self, error: ImportError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise self._error


def _is_wanted(node: ast.stmt, name: str) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
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
