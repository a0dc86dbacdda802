"""The package in PyScript: on the page and in its worker, got as a wheel or as files.

Only a page shows it: PyScript runs nowhere else, and no other Python takes what is compiled for it.
"""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

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


@pytest.mark.parametrize(("place", "how", "wheel"), WAYS)
def test_in_pyscript(page: Page, server: Server, place: str, how: str, wheel: str) -> None:
    """The wheel is another server's, as for pages that are developed with one of their own."""
    console = Console(page)
    with Server() as other:
        query = {"how": how, "wheel": other.url_for(f"/wheel/{wheel}")}
        if place == "worker":
            query["worker"] = "1"
        page.goto(f"{server.url}/tests/browser/pyscript.html?{urlencode(query)}")
        page.wait_for_function("document.title.includes('3000')", timeout=45_000)
    assert page.title() == f"{place}, InvalidStateError, open, text, binary, 3000 True"
    console.check()
