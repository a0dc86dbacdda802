"""Runs cases inside an engine, whose driver imports this module."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from readystate import WebSocket
from readystate_server.testing import inpage

from . import MODULES
from .case import Case, Report
from .micropython import why_not_in_micropython
from .natives import IS_MICROPYTHON

if sys.platform == "emscripten":
    import pyodide

    PYTHON = f"Pyodide {pyodide.__version__}"
elif IS_MICROPYTHON:
    PYTHON = f"MicroPython {'.'.join(map(str, sys.implementation.version[:3]))}"
else:
    PYTHON = f"CPython {sys.version.split()[0]}"

TIMEOUT = 20.0
"""Seconds that a case may take."""


async def run(engine: str, server: str, failing: str, tell: Callable[[str], None]) -> None:
    """Runs all cases, and tells what became of each, as JSON.

    Args:
        engine: The name of this one.
        server: The address of the tests' server, ``http://host:port``.
        failing: Of the server for connections that fail, ``ws://host:port``.
        tell: Called after each case.
    """
    inpage.server = server
    asyncio.get_event_loop().set_exception_handler(lambda _, what: inpage.reported.append(what))
    for module in MODULES:
        for case in module.CASES:
            tell(json.dumps(await _run(case, Report(engine, failing))))


async def _run(case: Case, report: Report) -> dict[str, Any]:
    begin = time.monotonic()
    failure = None
    why_not = case.left_out.get(report.engine)
    if IS_MICROPYTHON:
        why_not = why_not_in_micropython(case.name)
    if why_not is not None:
        report.saw(f"left out: {why_not}")
    try:
        if why_not is None:
            await asyncio.wait_for(case.function(report), TIMEOUT)
        if inpage.reported:
            raise AssertionError(f"reported, and not expected: {inpage.reported}")
    except Exception as error:
        failure = "".join(traceback.format_exception(error))
    inpage.reported.clear()
    _close_all()
    return {
        "case": case.name,
        "failure": failure,
        "thrown": report.thrown,
        "seen": report.seen,
        "departures": report.departures,
        "seconds": round(time.monotonic() - begin, 3),
        "python": PYTHON,
    }


def _close_all() -> None:
    # MicroPython tells of no objects.
    for thing in getattr(gc, "get_objects", list)():
        # One whose constructor raised, and that a traceback refers to, has no native object.
        if type(thing) is WebSocket and hasattr(thing, "js_websocket"):
            thing.js_websocket.close()
