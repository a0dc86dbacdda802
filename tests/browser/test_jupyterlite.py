"""The notebook of the examples in JupyterLite, whose kernel runs in a worker.

Only JupyterLite runs its cells, installs with ``%pip``, and has its kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import BrowserContext, expect

from readystate_server.lab import Server
from readystate_server.lab.places import WEB
from readystate_server.testing.inpage import new_id
from tests import jupyter

pytestmark = [pytest.mark.only_browser("chromium"), pytest.mark.timeout(240)]

PATIENCE = 90_000
SAYS = [
    "InvalidStateError 11",
    "hello",
    "message 0 - lost: 1012\nmessage 1 - lost: 1012\nmessage 2 - lost: 1012",
    "cancelled: True",
]
"""What the cells print, those that print anything."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with JupyterLite under /jupyter."""
    site = jupyter.build(tmp_path_factory.mktemp("jupyter"))
    with Server(folders={"/jupyter": site}) as server:
        yield server


def repl(lab: Server, *cells: str) -> str:
    """The URL of the REPL that runs the cells, one after the other."""
    query = urlencode([("kernel", "python"), *(("code", cell) for cell in cells)])
    return f"{lab.url}/jupyter/repl/index.html?{query}"


def test_the_notebook(context: BrowserContext, lab: Server) -> None:
    """The cells run one after the other in the REPL, which takes them from its URL."""
    id = new_id()
    notebook = json.loads((WEB / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))
    texts, cells = (
        ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]
        for kind in ("markdown", "code")
    )
    assert not set(texts) & set(cells)
    assert 'SERVER = "ws://127.0.0.1:8000"' in cells[0]
    cells[0] = cells[0].replace("ws://127.0.0.1:8000", lab.ws_url(""))
    cells[-1] = cells[-1].replace("id=cancelled", f"id={id}")
    strangers: list[str] = []
    context.on("request", lambda request: strangers.append(request.url))
    page = context.new_page()
    page.goto(repl(lab, *cells))
    outputs = page.locator(".jp-OutputArea-output pre")
    expect(outputs).to_have_text(SAYS, timeout=PATIENCE)
    # The server has seen the connection of the cancelled task end.
    answer = page.request.get(f"{lab.url}/journal/{id}?closed=1&timeout=20")
    assert len(answer.json()) == 1
    assert [url for url in strangers if not url.startswith((lab.url, "blob:", "data:"))] == []
