"""The package in PyScript: on the page and in its worker, got as a wheel or as files.

Only a page shows it: PyScript runs nowhere else, and no other Python takes what is compiled for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from readystate import __version__
from readystate_server.lab import Server, vendor
from readystate_server.lab.places import WEB
from readystate_server.testing import Console

IN_CHROMIUM, IN_FIREFOX = map(pytest.mark.only_browser, ("chromium", "firefox"))
"""How PyScript installs is the same in both, so each way is looked at in one."""
PLAIN = f"readystate-{__version__}-py3-none-any.whl"
COMPILED = f"readystate-{__version__}-cp314-none-any.whl"
WAYS = [
    pytest.param("page", "packages", PLAIN, marks=IN_CHROMIUM),
    pytest.param("page", "files", "readystate-cp314.whl", marks=IN_CHROMIUM),
    pytest.param("worker", "packages", COMPILED, marks=IN_CHROMIUM),
    pytest.param("worker", "files", "readystate.whl", marks=IN_FIREFOX),
]
PROGRAM = Path(__file__).with_name("pyscript_script.py").read_text(encoding="utf-8")


def page_of(program: str, how: str, python: str, package: Mapping[str, object]) -> str:
    """A page whose script is the program, with such attributes, and with such a config."""
    pins = vendor.pinned(WEB)
    core = f"/vendor/pyscript@{pins['pyscript']}/core"
    config = {"interpreter": f"/vendor/{python}@{pins[python]}/{python}.mjs", **package}
    return (
        '<!doctype html><title>Host</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{core}.css"><script type="module" src="{core}.js"></script>'
        f"<body><script {how} config='{json.dumps(config)}'>{program}</script>"
    )


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """One for all pages: Chromium has compiled Pyodide then."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.mark.parametrize(("place", "how", "wheel"), WAYS)
def test_in_pyscript(
    window: Page, server: Server, tmp_path: Path, place: str, how: str, wheel: str
) -> None:
    """The wheel is another server's, as for pages that are developed with one of their own."""
    console = Console(window)
    url = server.url_for(f"/wheel/{wheel}")
    package = {how: [url] if how == "packages" else {url: "./*"}}
    script = "type='py' worker" if place == "worker" else "type='py'"
    (tmp_path / "page.html").write_text(page_of(PROGRAM, script, "pyodide", package))
    with Server(folders={"/pages": tmp_path}) as own:
        window.goto(own.url_for("/pages/page.html"))
        window.wait_for_function("document.title.includes('3000')", timeout=45_000)
    assert window.title() == f"{place}, InvalidStateError, open, text, binary, 3000 True"
    console.check()
