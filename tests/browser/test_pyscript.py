"""The package in PyScript: on the page and in its worker, got as a wheel or as files."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from readystate_server.lab import Server
from readystate_server.testing import Console

from ..browsers import ROOT


@pytest.mark.parametrize("how", ["packages", "files"])
@pytest.mark.parametrize("place", ["page", "worker"])
def test_in_pyscript(page: Page, server: Server, place: str, how: str) -> None:
    console = Console(page)
    (wheel,) = (ROOT / "web" / "wheel").glob("readystate-*-py3-none-any.whl")
    query = {"how": how, "wheel": f"{server.url}/wheel/{wheel.name}"}
    if place == "worker":
        query["worker"] = "1"
    page.goto(f"{server.url}/tests/browser/pyscript.html?{urlencode(query)}")
    page.wait_for_function("document.title.includes('3000')", timeout=30_000)
    assert page.title() == f"{place}, InvalidStateError, open, text, binary, 3000 True"
    console.check()
