"""A notebook of marimo's as a page, with nothing from elsewhere than npm and PyPI.

Only marimo's page runs its cells, in a worker, and installs what they import.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.lab import Server
from tests import marimo

pytestmark = pytest.mark.only_browser("chromium")

PATIENCE = 90_000
SAYS = (
    "InvalidStateError, then hello",
    "lost [1012, 1012, 1012]",
    "blocking: without await",
)


def test_the_notebook(context: BrowserContext, tmp_path: Path) -> None:
    site = marimo.build(tmp_path / "site")
    with Server(folders={"/marimo": site}) as server:
        strangers: list[str] = []
        context.on("request", lambda request: strangers.append(request.url))
        page = context.new_page()
        page.goto(f"{server.url}/marimo/index.html?{urlencode({'server': server.ws_url('')})}")
        for text in SAYS:
            shown = page.get_by_text(text).filter(visible=True)
            expect(shown).to_be_visible(timeout=PATIENCE)
    known = (server.url, "blob:", "data:")
    assert [url for url in strangers if not url.startswith(known)] == []
