"""What JupyterLite does to a cell that runs: its interrupt nothing, its restart all.

Only its kernel shows it, which is a worker.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.lab import Server
from readystate_server.testing.inpage import new_id
from tests.browser.test_jupyterlite import PATIENCE, lab, repl

__all__ = ["lab"]

pytestmark = pytest.mark.only_browser("chromium")

COUNTS = """
%pip install -q readystate
import asyncio
from readystate import connect

async with connect("{url}") as ws:
    for number in range(100_000):
        await ws.send(str(number))
        print(await ws.recv(), end=" ")
        await asyncio.sleep(0.02)
"""


def test_a_cell_that_is_interrupted_goes_on_and_a_restart_closes(
    context: BrowserContext, lab: Server
) -> None:
    """JupyterLite's interrupt only drops the cells that wait; a restart ends the worker."""
    id = new_id()
    page = context.new_page()
    page.goto(repl(lab, COUNTS.format(url=lab.ws_url(f"/ws/echo?id={id}"))))
    output = page.locator(".jp-OutputArea-output pre").last
    expect(output).to_contain_text("5 ", timeout=PATIENCE)
    page.evaluate("jupyterapp.commands.execute('console:interrupt-kernel')")
    seen = output.inner_text().split()
    expect(output).to_contain_text(f" {int(seen[-1]) + 20} ", timeout=20_000)
    (connection,) = lab.journal(id)
    assert connection["close"] is None
    page.evaluate("void jupyterapp.commands.execute('console:restart-kernel')")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    (connection,) = lab.journal(id, closed=1, timeout=20)
    assert connection["close"]["code"] in (1001, 1006)
