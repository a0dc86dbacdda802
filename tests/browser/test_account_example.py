"""The account of messages, printed by one program in a page and as a script.

The page is seen in a browser, because the promise is that it prints what CPython does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from readystate_server.lab import Server
from readystate_server.lab.process import ServerProcess

from ..processes import ROOT, started

SCRIPT = ROOT / "web" / "examples" / "account.py"
PRINTED = [
    "500 confirmed. Now kill the server",
    "500 wait. Now start it again",
    "1000 accepted, 1000 confirmed, 0 dropped",
]
PATIENCE = 30_000


@pytest.fixture
def victim(server: Server) -> Iterator[ServerProcess]:
    """A server to be killed."""
    with ServerProcess(allow_origins=[server.url]) as process:
        yield process


def test_as_a_script(victim: ServerProcess) -> None:
    command = [sys.executable, "-u", str(SCRIPT), victim.ws_url("/ws/echo")]
    with started(command, stdout=subprocess.PIPE) as script:
        assert script.stdout is not None
        printed = [script.stdout.readline()]
        victim.kill()
        printed.append(script.stdout.readline())
        victim.start()
        printed.append(script.stdout.read())
    assert "".join(printed).splitlines() == PRINTED


@pytest.mark.only_browser("chromium")  # Firefox waits for a minute before it connects again
def test_in_a_page(page: Page, server: Server, victim: ServerProcess) -> None:
    url = victim.ws_url("/ws/echo")
    page.goto(server.url_for("/examples/account.html", url=url))
    output = page.get_by_role("log")
    expect(output).to_have_text(f"{PRINTED[0]}\n", timeout=PATIENCE)
    victim.kill()
    expect(output).to_contain_text(PRINTED[1], timeout=PATIENCE)
    victim.start()
    expect(output).to_have_text("\n".join([*PRINTED, ""]), timeout=PATIENCE)
