"""Leaves out of sources what pages cannot use: a quarter of the package.

That is comments, docstrings of what is not public, and what only type checkers read. Each line
stays where it is, so that tracebacks name the lines of the sources.
"""

import ast
import io
import tokenize
from collections.abc import Iterator

import readystate

PUBLIC = {*dir(readystate), "install", "uninstall"}
"""What has docstrings in pages, at the top of its module; the last two are compat's."""
NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lean(source: bytes, *, documented: bool = True) -> bytes:
    """Return the source without what pages cannot use; as it is, if it is not Python.

    `documented` keeps public docstrings, which MicroPython does not.
    """
    try:
        module = ast.parse(source)
    except SyntaxError:
        return source
    public = set(docstrings(module)) if documented else set()
    lines = source.splitlines()
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and is_text(node) and node not in public:
            replace(lines, node, b'""')
        elif isinstance(node, ast.If) and is_for_type_checkers(node):
            for statement in node.body:
                replace(lines, statement, b"pass")
    return without_comments(b"\n".join(lines).decode())


def docstrings(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in `node` that are docstrings of what is public."""
    for child in getattr(node, "body", []):
        if isinstance(child, NAMED):
            at_top = isinstance(node, ast.Module)
            if child.name in PUBLIC if at_top else not child.name.startswith("_"):
                yield child.body[0]
                yield from docstrings(child)


def is_text(node: ast.Expr) -> bool:
    """Whether a statement is nothing but text, such as a docstring."""
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_for_type_checkers(node: ast.If) -> bool:
    """Whether nothing else reads a block."""
    test = node.test
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING" and not node.orelse


def replace(lines: list[bytes], statement: ast.stmt, instead: bytes) -> None:
    """Replace a statement that begins and ends with its lines."""
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    lines[first] = lines[first][: statement.col_offset] + instead
    lines[first + 1 : last + 1] = [b""] * (last - first)


def without_comments(source: str) -> bytes:
    """Return the source without its comments."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "".join(f"{line}\n" for line in lines).encode()
