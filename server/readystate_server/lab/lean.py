"""Leaves out of sources what pages cannot use: a quarter of the package.

That is comments, docstrings and annotations of what is not public, and what only type checkers
read, overloads included. Each line stays where it is, so that tracebacks name the lines of the
sources.
"""

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator

import readystate

PUBLIC = {*dir(readystate), "install", "uninstall"}
"""What has docstrings in pages, at the top of its module; the last two are compat's."""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NAMED = (ast.ClassDef, *FUNCTIONS)
INDENTATION = re.compile(rb"^ +", re.MULTILINE)
Span = tuple[int, int, int]
"""A line's index, and from which of its bytes to which."""


def lean(source: bytes, *, documented: bool = True) -> bytes:
    """Return the source without what pages cannot use; as it is, if it is not Python.

    `documented` keeps docstrings and annotations of what is public. MicroPython does not: without
    it each level is indented by one space, too.
    """
    try:
        module = ast.parse(source)
    except SyntaxError:
        return source
    public = set(public_in(module)) if documented else set()
    kept = {node.body[0] for node in public}
    bodies = [body for node in ast.walk(module) if isinstance(body := vars(node).get("body"), list)]
    alone = {body[0] for body in bodies if len(body) == 1}
    lines = source.splitlines()
    overloads: list[int] = []
    # From the end of each line, so that what is before is where it was parsed.
    for row, start, end in sorted(annotations(module, public, lines), reverse=True):
        lines[row] = lines[row][:start] + lines[row][end:]
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and is_text(node) and node not in kept:
            replace(lines, node, b'""' if documented or node in alone else b"")
        elif isinstance(node, ast.If) and is_for_type_checkers(node):
            for statement in node.body:
                replace(lines, statement, b"pass")
        elif isinstance(node, FUNCTIONS) and is_overload(node):
            overloads.extend(range(node.decorator_list[0].lineno - 1, node.end_lineno or 0))
    for row in overloads:
        lines[row] = b""
    source = without_comments(b"\n".join(lines).decode())
    return source if documented else narrow(source)


def public_in(node: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the public classes, functions and methods in `node`."""
    for child in getattr(node, "body", []):
        if isinstance(child, NAMED):
            at_top = isinstance(node, ast.Module)
            if child.name in PUBLIC if at_top else not child.name.startswith("_"):
                yield child
                yield from public_in(child)


def annotations(node: ast.AST, public: Collection[ast.AST], lines: list[bytes]) -> Iterator[Span]:
    """Yield where annotations in `node` are that nothing reads in a page.

    Those in the body of a class stay, as dataclasses are made of them; those of more than one line
    do too.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS) and is_internal(child, public):
            for argument in ast.walk(child.args):
                if isinstance(argument, ast.arg) and argument.annotation is not None:
                    start = argument.col_offset + len(argument.arg.encode())
                    yield from span(argument.lineno, start, argument.annotation)
            if child.returns is not None:
                row, column = child.returns.lineno, child.returns.col_offset
                start = lines[row - 1].rfind(b" ->", 0, column)
                yield from span(row if start >= 0 else 0, start, child.returns)
        elif (
            isinstance(child, ast.AnnAssign)
            and child.value is not None
            and not isinstance(node, ast.ClassDef)
        ):
            target = child.target
            yield from span(target.end_lineno, target.end_col_offset or 0, child.annotation)
        yield from annotations(child, public, lines)


def is_internal(
    function: ast.FunctionDef | ast.AsyncFunctionDef, public: Collection[ast.AST]
) -> bool:
    """Whether help() does not show a function; it shows a class's ``__init__()`` and the like."""
    return function not in public and not function.name.startswith("__")


def span(row: int | None, start: int, annotation: ast.expr) -> Iterator[Span]:
    """Yield from `start` to the end of `annotation`, if that is on the same line `row`."""
    if row == annotation.lineno == annotation.end_lineno:
        yield row - 1, start, annotation.end_col_offset or start


def is_text(node: ast.Expr) -> bool:
    """Whether a statement is nothing but text, such as a docstring."""
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_for_type_checkers(node: ast.If) -> bool:
    """Whether nothing else reads a block."""
    test = node.test
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING" and not node.orelse


def is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a signature of the one below, by :func:`typing.overload`."""
    first = function.decorator_list[:1]
    return any(isinstance(node, ast.Name) and node.id == "overload" for node in first)


def replace(lines: list[bytes], statement: ast.stmt, instead: bytes) -> None:
    """Replace a statement that begins and ends with its lines."""
    first, last = statement.lineno - 1, (statement.end_lineno or statement.lineno) - 1
    indentation = lines[first][: statement.col_offset] if instead else b""
    lines[first] = indentation + instead
    lines[first + 1 : last + 1] = [b""] * (last - first)


def without_comments(source: str) -> bytes:
    """Return the source without its comments."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "".join(f"{line}\n" for line in lines).encode()


def narrow(source: bytes) -> bytes:
    """Return the source with a space for each four that indent a line; no text may span lines."""
    return INDENTATION.sub(lambda found: b" " * (len(found[0]) // 4), source)
