"""Pages run what was compiled ahead, where it was compiled for their Python.

Only a page shows that: which wheel is loaded is decided there, and no other Python takes this one.
"""

from __future__ import annotations

import json
import traceback

import pytest
from playwright.sync_api import Page

from readystate import DOMSyntaxError, WebSocket, __version__, exceptions
from readystate_server.lab import Server
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import raises

CORE = """\
globalThis.imported = true;
export const hooks = { main: { onReady: new Set() } };
"""
"""Instead of PyScript, which gets what the page has written into its scripts' config."""


@in_browser
async def test_it_runs_and_its_tracebacks_tell_where() -> None:
    assert exceptions.__file__.endswith("/readystate/exceptions.pyc")
    assert "readyState" in str(WebSocket.__doc__)
    with raises(DOMSyntaxError) as caught:
        WebSocket("https://")
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.name) == ("readystate/dom/websocket.py", "__init__")


@pytest.mark.parametrize(
    ("index", "wheel"),
    [
        (None, f"readystate-{__version__}-cp314-none-any.whl"),
        ('{"py3": "readystate-1-py3-none-any.whl"}', "readystate-1-py3-none-any.whl"),
        ("<!doctype html>There is no such page.", "readystate.whl"),
    ],
    ids=["compiled for it", "for others only", "a static host"],
)
@pytest.mark.only_browser("chromium")
def test_pages_of_the_project_name_it(
    page: Page, server: Server, index: str | None, wheel: str
) -> None:
    """That PyScript then loads it shows in each page of test_pages.py."""
    if index is not None:
        page.route("**/wheel/index.json", lambda route: route.fulfill(body=index))
    page.route("**/core.js", lambda route: route.fulfill(body=CORE, content_type="text/javascript"))
    page.goto(f"{server.url}/")
    page.wait_for_function("globalThis.imported")
    config = page.locator("script[type=py]").first.get_attribute("config")
    assert config is not None
    assert json.loads(config)["files"][f"{server.url}/wheel/{wheel}"] == "./*"
