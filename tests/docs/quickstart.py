"""The quickstart's page and servers, as its reader has them in a folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from readystate_server.lab import wheel

from .. import processes
from ..processes import ROOT
from .pages import DOCS, Block, blocks

PAGE = DOCS / "quickstart.md"
README = ROOT / "README.md"


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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def uvicorn(folder: Path, port: int, lasts: float = 120) -> Iterator[subprocess.Popen[str]]:
    """The command of the quickstart, with a port of its own; it is killed at the end.

    Args:
        lasts: How many seconds it may last.
    """
    command = [sys.executable, "-m", "uvicorn", "server:app", "--port", str(port)]
    with processes.started(
        command, cwd=folder, stderr=subprocess.DEVNULL, timeout=lasts
    ) as process:
        end = time.monotonic() + 40
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "uvicorn has ended"
                time.sleep(0.05)
        yield process
