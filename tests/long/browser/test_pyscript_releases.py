"""The README's page in each of PyScript's releases, with the Pyodide that the release asks for.

Only a page shows it: a release chooses its Pyodide there, and unpacks the wheel in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from readystate_server.lab.places import WEB
from readystate_server.testing import AppServer, Console
from readystate_server.testing.fixtures import serve_file
from readystate_server.testing.runtime import BOOT, CDN
from tests import versions
from tests.docs.quickstart import COMMAND, README, index, lay_out, servers
from tests.processes import ROOT

pytestmark = [pytest.mark.only_browser("chromium"), pytest.mark.timeout(180)]

RELEASES = {
    "2024.8": ("0.4.56", "0.26.1"),
    "2024.9": ("0.5.12", "0.26.2"),
    "2024.10": ("0.6.0", "0.26.2"),
    "2024.11": ("0.6.20", "0.26.3"),
    "2025.2": ("0.6.25", "0.26.4"),
    "2025.3": ("0.6.39", "0.27.3"),
    "2025.5": ("0.6.50", "0.27.5"),
    "2025.7": ("0.6.60", "0.27.7"),
    "2025.8": ("0.6.72", "0.28.2"),
    "2025.10": ("0.7.4", "0.29.0"),
    "2025.11": ("0.7.11", "0.29.0"),
    "2026.1": ("0.7.12", "0.29.1"),
    "2026.2": ("0.7.17", "0.29.3"),
    "2026.3": ("0.7.18", "0.29.3"),
    "2026.6": ("0.7.28", "0.29.3"),
    "2026.7": ("0.7.31", "314.0.2"),
}
"""The @pyscript/core of npm that is a release, or the next to it there, and its Pyodide."""
PATIENCE = 30_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The README's server, with its page for each release."""
    versions.fetch(long=True)
    folder = tmp_path_factory.mktemp("releases")
    page = index(README)
    lay_out(folder, servers(README)[0].text, page)
    chosen = re.sub(r' *"interpreter":.*\n', "", page)
    assert chosen != page
    for release, (core, _) in RELEASES.items():
        text = re.sub(r"(@pyscript/core@)[\d.]+", rf"\g<1>{core}", chosen)
        if release == "2024.8":  # There, "await" in a script has to be asked for.
            text = text.replace('type="py"', 'type="py" async')
        (folder / "page" / f"{release}.html").write_text(text, encoding="utf-8")
    with AppServer(COMMAND, cwd=folder) as server:
        yield server.url


@pytest.mark.parametrize("release", RELEASES)
def test_a_release(context: BrowserContext, site: str, release: str) -> None:
    asked: set[str] = set()

    def answer(route: Route) -> None:
        parts = urlsplit(route.request.url).path.split("/")
        if parts[1] == "pyodide":  # /pyodide/v0.26.1/full/pyodide.mjs
            asked.add(parts[2].removeprefix("v"))
            serve_file(route, pyodide(parts[2].removeprefix("v")) / "/".join(parts[4:]))
        else:  # /npm/@pyscript/core@0.4.56/dist/core.js
            serve_file(route, pyscript(parts[3].removeprefix("core@")) / "/".join(parts[5:]))

    context.route(f"{CDN}/**", answer)
    page = context.new_page()
    console = Console(page)
    page.goto(f"{site}/{release}.html")
    expect(page.locator("output")).to_have_text("OPEN", timeout=1000 * BOOT)
    page.get_by_role("button", name="Say hello").click()
    expect(page.locator("pre")).to_have_text("hello\n", timeout=PATIENCE)
    console.check()
    core, expected = RELEASES[release]
    assert asked == {expected}
    table = (ROOT / "docs" / "background" / "engines.md").read_text(encoding="utf-8")
    assert f"| {release} | {core} | {expected} |" in table


def pyodide(version: str) -> Path:
    return versions.MODULES / f"pyodide-{version}"


def pyscript(version: str) -> Path:
    """A release's files; the pinned one is not among the others."""
    other = versions.MODULES / f"pyscript-{version}" / "dist"
    return other if other.is_dir() else WEB / "vendor" / f"pyscript@{version}"
