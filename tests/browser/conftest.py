"""Where the tests of the package run, and a server for what fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from readystate_server.lab import Server
from readystate_server.testing import Runtime, open_pyodide

# What browsers write to the console of what some tests do on purpose.
EXPECTED = (
    # A message is sent after close().
    "WebSocket is already in CLOSING or CLOSED state",
    # binaryType is set to something else.
    "The provided value",
)


@pytest.fixture(scope="module")
def failing(server: Server) -> Iterator[Server]:
    """A server of its own, as browsers delay connections to one where many have failed."""
    with Server(allow_origins=[server.url]) as failing:
        yield failing


@pytest.fixture(scope="session", params=["page"])
def pyodide_place(request: pytest.FixtureRequest) -> str:
    """Tests that run in Python do so in a page, unless they ask for a "worker"."""
    return str(request.param)


@pytest.fixture(scope="session")
def pyodide_session(pyodide_session: Runtime) -> Runtime:
    """The one runtime of a browser and place."""
    pyodide_session.console.expected += EXPECTED
    return pyodide_session


@pytest.fixture
def runtime(pyodide_page: Runtime) -> Runtime:
    """Python in a page or in a worker."""
    return pyodide_page


@pytest.fixture(scope="session")
def alone(browser: Browser, server: Server) -> Iterator[Runtime]:
    """A page, from a server of its own, in which what is left over is counted."""
    with Server() as own, open_pyodide(browser, own) as runtime:
        yield runtime
