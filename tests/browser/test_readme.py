"""The README's page with the README's server, pasted and run.

A browser shows it, because it is a page: that its paths, its config and its Python are right.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.testing import AppServer
from readystate_server.testing.fixtures import serve_vendored
from readystate_server.testing.runtime import BOOT, CDN

from ..docs.quickstart import COMMAND, README, index, lay_out, servers

PATIENCE = 30_000


@pytest.mark.only_browser("chromium")  # Firefox waits for a minute before it connects again
@pytest.mark.timeout(240)
def test_its_messages_survive_a_restart(tmp_path: Path, context: BrowserContext) -> None:
    lay_out(tmp_path, servers(README)[0].text, index(README))
    context.route(f"{CDN}/**", serve_vendored)
    server = AppServer(COMMAND, cwd=tmp_path)
    page = context.new_page()
    replies, state, button = (page.locator(name) for name in ("pre", "output", "button"))
    with server:
        page.goto(server.url)
        expect(state).to_have_text("OPEN", timeout=1000 * BOOT)
        button.click()
        expect(replies).to_have_text("hello\n", timeout=PATIENCE)
    expect(state).not_to_have_text("OPEN", timeout=PATIENCE)
    button.click()
    button.click()
    with server:
        expect(replies).to_have_text("hello\n" * 3, timeout=PATIENCE)
        expect(state).to_have_text("OPEN", timeout=PATIENCE)
