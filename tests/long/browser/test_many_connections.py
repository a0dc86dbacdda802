"""1,000 connections and 10,000 messages leave nothing, in a page and in a worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from readystate_server.lab import Server
from readystate_server.testing import open_pyodide
from tests.browser.test_leaks import many_connections


@pytest.mark.parametrize("place", ["page", "worker"])
def test_no_proxy_outlives_its_connection(browser: Browser, server: Server, place: str) -> None:
    with open_pyodide(browser, server, place) as runtime:
        runtime.call(many_connections, timeout=600, count=1000)
    runtime.console.check()
