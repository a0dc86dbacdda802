"""What the sources of pages lack."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from readystate_server.lab import wheel
from readystate_server.lab.lean import lean
from readystate_server.lab.places import MICROPYTHON

TEXT = '''\
"""Of the module.""" ⇒ ""

from typing import TYPE_CHECKING  # and nothing else ⇒ from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import (
        Iterable,
    )
else:
    Iterable = object
if TYPE_CHECKING:
    from collections.abc import ( ⇒ pass
        Mapping, ⇒
    ) ⇒
    from types import CodeType ⇒ pass

LIMIT = 3
"""Of an attribute.""" ⇒ ""


class Backoff:
    """Of what is public: # and no comment."""

    initial: float = 1.0

    def __init__(self, factor: float) -> None:
        pass

    @overload ⇒
    def delays(self, count: int) -> list[float]: ... ⇒
    @overload ⇒
    def delays(self) -> Iterator[float]: ⇒
        """And its documentation.""" ⇒

    def delays(self) -> Iterator[float]:
        """So is this."""
        return "# grün"  # ist das ⇒ return "# grün"

    def _do(self, ü: int = 3, *m: str, x: dict[A, B]) -> dict[A, B]: ⇒ def _do(self, ü = 3, *m, x):
        """And this is not.""" ⇒ ""
        self._all: list[str] = [] ⇒ self._all = []


def helper():
    """Of what is not. ⇒ ""

    With more lines. ⇒
    """ ⇒

    class Backoff:
        """Nor what is within.""" ⇒ ""

    return 1 / 0
'''


def halves(line: str) -> tuple[str, str]:
    """What stands before an arrow, and what is left of it; without one, all is left."""
    source, arrow, left = line.partition(" ⇒")
    indentation = source[: len(source) - len(source.lstrip())] if left else ""
    return source, indentation + left.strip() if arrow else source


SOURCE, LEAN = map("\n".join, zip(*map(halves, TEXT.split("\n")), strict=True))


def test_it_has_what_pages_can_use_in_its_place() -> None:
    assert lean(SOURCE.encode()).decode() == LEAN


def test_micropython_gets_no_docstrings_and_one_space_a_level() -> None:
    served = lean(SOURCE.encode(), documented=False).decode()
    assert '"""' not in served
    assert "class Backoff:\n\n\n initial: float = 1.0\n" in served
    assert 'def helper():\n\n\n\n\n\n class Backoff:\n  ""\n\n return 1 / 0\n' in served


def undocumented(source: bytes) -> str:
    module = ast.parse(source)
    for node in ast.walk(module):
        body = vars(node).get("body")
        if isinstance(body, list):
            text = (each for each in body if isinstance(each, ast.Expr))
            docs = [each for each in text if isinstance(each.value, ast.Constant)]
            node.body = [each for each in body if each not in docs]  # type: ignore[attr-defined]
    return ast.dump(module)


def test_what_micropython_gets_is_the_same_program() -> None:
    for path in MICROPYTHON.glob("*.py"):
        source = path.read_bytes()
        assert undocumented(lean(source, documented=False)) == undocumented(source)


def test_what_is_not_python_is_left_alone() -> None:
    """Python in the page says what is wrong with it, and where."""
    assert lean(b"def # what") == b"def # what"


@pytest.mark.parametrize("source", [b"", b"\n", b"# nothing\n", b"x = 1"])
def test_sources_that_have_nothing(source: bytes) -> None:
    assert compile(lean(source), "lean", "exec").co_names == compile(source, "", "exec").co_names


def lines(code: CodeType) -> Iterator[tuple[str, set[int | None]]]:
    yield code.co_qualname, {line for _, _, line in code.co_lines()} - {code.co_firstlineno}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from lines(constant)


@pytest.mark.parametrize("package", [wheel.PACKAGE, MICROPYTHON])
def test_tracebacks_name_the_lines_of_the_sources(package: Path) -> None:
    for path in package.rglob("*.py"):
        source = path.read_bytes()
        served = lean(source, documented=package is wheel.PACKAGE)
        there, here = (dict(lines(compile(text, "", "exec"))) for text in (source, served))
        assert here.keys() == there.keys()
        for name, numbers in here.items():
            assert name == "<module>" or numbers <= there[name], (path, name)
