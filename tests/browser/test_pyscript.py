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

IN_ONE = pytest.mark.only_browser("chromium")
"""How PyScript installs is the same everywhere."""
WAYS = [
    ("page", "packages", f"readystate-{__version__}-py3-none-any.whl"),
    pytest.param("page", "files", "readystate-cp314.whl", marks=IN_ONE),
    pytest.param(
        "worker", "packages", f"readystate-{__version__}-cp314-none-any.whl", marks=IN_ONE
    ),
    ("worker", "files", "readystate.whl"),
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
