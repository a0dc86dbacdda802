"""The package in PyScript: on the page and in its worker, got as a wheel or as files.

Only a page shows it: PyScript runs nowhere else, and no other Python takes what is compiled for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page

from readystate import __version__
from readystate_server.lab import Server
from readystate_server.testing import Console

IN_CHROMIUM, IN_FIREFOX = map(pytest.mark.only_browser, ("chromium", "firefox"))
"""How PyScript installs is the same in both, so each way is looked at in one."""
PLAIN = f"readystate-{__version__}-py3-none-any.whl"
COMPILED = f"readystate-{__version__}-cp314-none-any.whl"
WAYS = [
    pytest.param("page", "packages", PLAIN, marks=IN_CHROMIUM),
    pytest.param("page", "files", "readystate-cp314.whl", marks=IN_CHROMIUM),
    pytest.param("worker", "packages", COMPILED, marks=IN_CHROMIUM),
    pytest.param("worker", "files", "readystate.whl", marks=IN_FIREFOX),
]


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """One for all pages: Chromium has compiled Pyodide then."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.mark.parametrize(("place", "how", "wheel"), WAYS)
def test_in_pyscript(window: Page, server: Server, place: str, how: str, wheel: str) -> None:
    """The wheel is another server's, as for pages that are developed with one of their own."""
    console = Console(window)
    with Server() as other:
        query = {"how": how, "wheel": other.url_for(f"/wheel/{wheel}")}
        if place == "worker":
            query["worker"] = "1"
        window.goto(f"{server.url}/tests/browser/pyscript.html?{urlencode(query)}")
        window.wait_for_function("document.title.includes('3000')", timeout=45_000)
    assert window.title() == f"{place}, InvalidStateError, open, text, binary, 3000 True"
    console.check()
