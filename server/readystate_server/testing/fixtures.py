"""The fixtures. Override those of the session to configure what is served, and which Pyodide."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Route

from ..lab import Server, vendor, wheel
from ..lab.address import encode
from ..lab.places import PINS, WEB
from ..lab.static import TYPES
from .browsers import found
from .runtime import BOOT, CDN, OpenPage, Runtime, open_app, open_pyodide, pyodide_url


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_type: BrowserType
) -> dict[str, Any]:
    """Use an installed browser if Playwright has not downloaded its own."""
    return {**found(browser_type), **browser_type_launch_args}


@pytest.fixture(scope="session")
def app_folder(pytestconfig: pytest.Config) -> Path:
    """The folder to serve at /; by default pytest's root directory. Override it."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def app_folders() -> Mapping[str, Path]:
    """More folders to serve, by URL prefix ("/static"); by default none. Override it."""
    return {}


@pytest.fixture(scope="session")
def pyodide_folder() -> Path | None:
    """The folder of your own Pyodide, or $READYSTATE_PYODIDE; None for the pinned one."""
    path = os.environ.get("READYSTATE_PYODIDE")
    return Path(path).resolve() if path else None


@pytest.fixture(scope="session")
def pyodide_place() -> str:
    """Where `pyodide_page` runs Python: in the "page" or in a "worker"."""
    return "page"


@pytest.fixture(scope="session")
def ws_server(
    app_folder: Path,
    app_folders: Mapping[str, Path],
    pyodide_folder: Path | None,
    pytestconfig: pytest.Config,
) -> Iterator[Server]:
    """A server of your app, the wheel, and WebSocket endpoints that fail on demand."""
    prepare(run_of(pytestconfig))
    own = {"/pyodide": pyodide_folder} if pyodide_folder else {}
    with Server(web_folder=app_folder, folders={**app_folders, **own}) as server:
        yield server


def run_of(config: pytest.Config) -> str | None:
    """Return which run a process of pytest-xdist is of.

    Not what the environment says: a pytest that such a process starts has that too, and may be
    for another package.
    """
    run: str | None = getattr(config, "workerinput", {}).get("testrunuid")
    return run


def prepare(run: str | None) -> None:
    """Fetch Pyodide if necessary, and build the wheels.

    The processes of pytest-xdist share a `run`: the first one does it for all.
    """
    folder = WEB / "wheel"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".run"
    with vendor.locked(folder):
        if run is not None and done.is_file() and done.read_text() == run:
            return
        if pyodide_url().startswith(CDN):
            try:
                vendor.fetch()
            except (vendor.VendorError, OSError) as error:
                sys.stderr.write(f"{error} Until then Pyodide comes from {CDN}.\n")
        wheel.build()
        done.write_text(run or "")


@pytest.fixture
def ws_id(request: pytest.FixtureRequest) -> str:
    """A unique id of the test, for the server's journal and faults."""
    return f"{request.node.name[:100]} {uuid.uuid4()}"


@pytest.fixture
def open_page(context: BrowserContext, ws_server: Server) -> Iterator[OpenPage]:
    """A function that opens a page of your app and waits until Python is ready in it.

    The test fails if there are errors on a page's console. Files of the pinned Pyodide and PyScript
    on the CDN are served from this machine, if they have been fetched.
    """
    context.route(f"{CDN}/**", serve_vendored)
    opened: list[Runtime] = []

    def open_page(
        path: str = "/",
        *,
        ready: str | None = "py:ready",
        timeout: float = BOOT,
        **query: object,
    ) -> Runtime:
        is_whole = urlsplit(path).scheme != ""
        url = f"{path}{encode(query)}" if is_whole else ws_server.url_for(path, **query)
        opened.append(open_app(context.new_page(), url, ready=ready, timeout=timeout))
        return opened[-1]

    yield open_page
    for runtime in opened:
        runtime.console.check()


def serve_vendored(route: Route) -> None:
    """Answer with the fetched copy of the CDN's file, or let the CDN answer."""
    versions = vendor.pinned(PINS)
    folders = {
        f"{CDN}/pyodide/v{versions['pyodide']}/full/": "pyodide",
        f"{CDN}/npm/pyodide@{versions['pyodide']}/": "pyodide",
        f"{CDN}/npm/@pyscript/core@{versions['pyscript']}/dist/": "pyscript",
    }
    url = route.request.url
    for start, name in folders.items():
        file = WEB / "vendor" / f"{name}@{versions[name]}" / url.removeprefix(start)
        if url.startswith(start) and file.is_file():
            return serve_file(route, file)
    return route.continue_()


def serve_file(route: Route, file: Path) -> None:
    """Answer with a file, as the CDN does."""
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Content-Type": TYPES.get(file.suffix, "application/octet-stream"),
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    route.fulfill(path=file, headers=headers)


@pytest.fixture(scope="session")
def pyodide_session(
    browser: Browser, ws_server: Server, pyodide_folder: Path | None, pyodide_place: str
) -> Iterator[Runtime]:
    """The runtime that all tests with `pyodide_page` share, for each browser and place."""
    pyodide = "/pyodide" if pyodide_folder else None
    with open_pyodide(browser, ws_server, pyodide_place, pyodide=pyodide) as runtime:
        yield runtime


@pytest.fixture
def pyodide_page(pyodide_session: Runtime) -> Iterator[Runtime]:
    """Python in an empty page; the test fails if there are errors on its console."""
    pyodide_session.console.complaints.clear()
    yield pyodide_session
    pyodide_session.console.check()
