"""``python -m tests.benchmarks.micropython [chromium|firefox]``: ratios, all from one run.

PyScript runs main.py with ``type="mpy"``, which compares in turns: sending with the native method,
and receiving with ``pyscript.WebSocket``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from readystate_server.lab import Server, vendor, wheel
from readystate_server.lab.places import WEB
from tests.browsers import launch_options

HERE = Path(__file__).parent
TIMEOUT = 180.0
"""Seconds that all of it may take."""


def main(name: str = "chromium") -> str:
    """Runs it in a browser; returns what the page says."""
    vendor.fetch()
    wheel.build()
    versions = vendor.pinned(WEB)
    query = {
        "core": f"/vendor/pyscript@{versions['pyscript']}/core.js",
        "interpreter": f"/vendor/micropython@{versions['micropython']}/micropython.mjs",
    }
    with Server(folders={"/bench": HERE}) as server, sync_playwright() as playwright:
        browser = getattr(playwright, name).launch(**launch_options(name))
        page = browser.new_page()
        page.on("pageerror", lambda error: sys.stderr.write(f"{error}\n"))
        page.goto(server.url_for("/bench/index.html", **query))
        page.wait_for_selector("body[data-end]", state="attached", timeout=TIMEOUT * 1000)
        told = page.locator("output").text_content() or ""
        version = browser.version
        browser.close()
    return f"{name} {version}, MicroPython {versions['micropython']}\n{told}"


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]))
