"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..processes import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("server/**/README.md")])

_FENCE = re.compile(
    r"^(?:<!-- run(?:: (?P<path>\S+))? -->\n)?"
    r"(?P<indent> *)```(?P<kind>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_MARK = "<!-- run"
_PYTHON_IN_HTML = re.compile(r'<script type="m?py".*?>\n(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and where it stands: the page in the repository, and the line."""

    page: str
    line: int
    text: str
    path: str | None = None
    """Of the lab's endpoint that it is to be run against; ``None`` if it is only compiled."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path, kind: str) -> Iterator[Block]:
    """The blocks of a page that are of this kind."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found["kind"] == kind:
            is_run = found[0].startswith(_MARK)
            yield Block(
                str(page.relative_to(ROOT)),
                text.count("\n", 0, found.start("indent")) + 1,
                textwrap.dedent(found["text"]),
                found["path"] or "/ws/echo" if is_run else None,
            )


def python() -> Iterator[Block]:
    """All Python: blocks of it, and scripts in blocks of HTML."""
    for page in PAGES:
        yield from (block for block in blocks(page, "python") if "--8<--" not in block.text)
        for block in blocks(page, "html"):
            for script in _PYTHON_IN_HTML.findall(block.text):
                yield Block(block.page, block.line, textwrap.dedent(script.rstrip(" ")))
