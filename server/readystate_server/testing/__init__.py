"""For headless tests of your own: pytest fixtures, with browsers that Playwright drives.

`pytest_plugins = ["readystate_server.testing"]` in conftest.py makes the fixtures known; see
"Testing your app" in the documentation. It needs `pip install 'readystate-server[testing]'`, and
runs on CPython; in the page there is only `readystate_server.testing.inpage`.

PYTEST_DONT_REWRITE: no assertion here is for pytest to explain, so it may be imported early.
"""

from __future__ import annotations

import sys

if sys.platform != "emscripten":
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
                f"readystate_server.testing.{name} is for tests on CPython; in a page there is "
                "only readystate_server.testing.inpage"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
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
