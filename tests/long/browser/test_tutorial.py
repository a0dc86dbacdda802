"""The tutorial's pages, step after step in each browser, and its reader's test of the last."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from playwright.sync_api import expect

from readystate_server.testing import AppServer, OpenPage
from tests.docs.quickstart import COMMAND
from tests.docs.tutorial import lay_out

PATIENCE = 30_000
PRICE = re.compile(r"^\d\.\d\d$")


@pytest.mark.parametrize("step", ["prices", "reconnecting", "nothing-lost", "deploying"])
def test_a_page_shows_prices(tmp_path: Path, open_page: OpenPage, step: str) -> None:
    lay_out(tmp_path, step)
    with AppServer(COMMAND, cwd=tmp_path) as server:
        runtime = open_page(server.url)
        for name in ("apples", "pears"):
            expect(runtime.page.locator(f"#{name}")).to_have_text(PRICE, timeout=PATIENCE)
        server.stop()
        if step == "prices":  # one connection, whose end is an exception
            trace = runtime.page.locator(".py-error, pre:has-text('1012')")
            expect(trace.first).to_contain_text("ConnectionClosedError", timeout=PATIENCE)
            runtime.console.complaints.clear()
            return
        state, button = (runtime.page.locator(name) for name in ("#state", "#reconnect"))
        expect(state).to_have_text("WAITING", timeout=PATIENCE)
        server.start()
        button.dispatch_event("click")  # it may be hidden by now: the page may be at it by itself
        expect(state).to_have_text("OPEN", timeout=90_000)


@pytest.mark.only_browser("chromium")  # Firefox waits for a minute before it connects again
def test_its_readers_test_of_the_page_passes(tmp_path: Path, open_page: OpenPage) -> None:
    lay_out(tmp_path, "tests")
    test = runpy.run_path(str(tmp_path / "test_page.py"))["test_an_order_survives_a_restart"]
    with AppServer(COMMAND, cwd=tmp_path) as server:
        test(open_page, server)
