"""The quickstart's page and servers, as its reader has them in a folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from readystate_server.lab import wheel

from ..processes import ROOT
from .pages import DOCS, Block, blocks

PAGE = DOCS / "quickstart.md"
README = ROOT / "README.md"
COMMAND = [sys.executable, "-m", "uvicorn", "server:app", "--log-level=warning", "--port={port}"]
"""Of the server, for ``AppServer``."""


def servers(page: Path = PAGE) -> list[Block]:
    """The FastAPI servers of a page: of the quickstart the plain one, then that with sessions."""
    return [block for block in blocks(page, "python") if "app.mount(" in block.text]


def index(page: Path = PAGE) -> str:
    """The whole page of HTML."""
    [html] = [block.text for block in blocks(page, "html") if "<!doctype html>" in block.text]
    return html


def script(page: Path = PAGE) -> str:
    """The program that is a script."""
    [text] = [block.text for block in blocks(page, "python") if "asyncio.run(main())" in block.text]
    return text


def lay_out(folder: Path, server: str, html: str) -> None:
    """Writes the files, and puts the wheel where the page expects it."""
    (folder / "page").mkdir()
    (folder / "server.py").write_text(server, encoding="utf-8")
    (folder / "page" / "index.html").write_text(html, encoding="utf-8")
    shutil.copy(wheel.build()[wheel.PLAIN], folder / "page")
