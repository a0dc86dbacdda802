"""Pytest fixtures for your own headless tests, with Playwright's browsers.

Enable them by `pytest_plugins = ["readystate_server.testing"]` in conftest.py; see "Testing your
app" in the documentation. Requires `pip install 'readystate-server[testing]'`, and CPython; pages
have only `readystate_server.testing.inpage`.

PYTEST_DONT_REWRITE: no assertions here, so it may be imported early.
"""

from __future__ import annotations

import sys

if sys.platform != "emscripten":
    from .app_server import AppServer
    from .fixtures import (
        app_folder,
        app_folders,
        browser_type_launch_args,
        open_page,
        pyodide_folder,
        pyodide_page,
        pyodide_place,
        pyodide_session,
        ws_id,
        ws_server,
    )
    from .runtime import Console, OpenPage, Runtime, in_browser, open_pyodide
else:

    def __getattr__(name: str) -> None:
        if name in __all__:
            raise ImportError(
                f"readystate_server.testing.{name} is for tests on CPython; pages have only "
                "readystate_server.testing.inpage"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AppServer",
    "Console",
    "OpenPage",
    "Runtime",
    "app_folder",
    "app_folders",
    "browser_type_launch_args",
    "in_browser",
    "open_page",
    "open_pyodide",
    "pyodide_folder",
    "pyodide_page",
    "pyodide_place",
    "pyodide_session",
    "ws_id",
    "ws_server",
]
