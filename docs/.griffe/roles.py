"""Makes Markdown of what the docstrings have of reStructuredText: roles, `::` and small tables."""

from __future__ import annotations

import re
from typing import Any

import griffe

import readystate
import readystate_server.sessions

_SERVER = "readystate_server.sessions"
_PUBLIC = {name: f"readystate.{name}" for name in readystate.__all__} | {
    name: f"{_SERVER}.{name}"
    for name in ("MemoryStore", "ServerSession", "Sessions")
    if hasattr(readystate_server.sessions, name)
}
_ROLE = re.compile(r":(attr|class|data|exc|func|meth|mod):`~?([\w.]+)`")
_RULE = re.compile(r"^ *=+(  +=+)+ *$")


class Roles(griffe.Extension):
    """Changes each docstring as it is collected."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value, _owner(obj))


def markdown(text: str, owner: str | None = None) -> str:
    """The docstring in Markdown; `owner` is the class of the methods that it names alone."""
    text = _ROLE.sub(lambda found: _reference(found[1], found[2], owner), text)
    text = re.sub(r"^::$\n\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"(?<=\w): *::$|(?<=\w)::$", ":", text, flags=re.MULTILINE)
    text = re.sub(r" ::$", "", text, flags=re.MULTILINE)
    return "\n".join(_tables(text.split("\n")))


def _owner(obj: griffe.Object) -> str | None:
    parent = obj if obj.is_class else obj.parent
    name = parent.name if parent is not None and parent.is_class else None
    return name if name in _PUBLIC else None


def _reference(role: str, name: str, owner: str | None) -> str:
    call = "()" if role == "meth" else ""
    parts = name.removeprefix("readystate.").split(".")
    if parts[0] in _PUBLIC:
        # An attribute that is documented with its class has no anchor of its own.
        target = parts[:1] if role == "attr" else parts
        return f"[`{'.'.join(parts)}{call}`][{'.'.join([_PUBLIC[parts[0]], *target[1:]])}]"
    if role == "meth" and owner is not None and len(parts) == 1:
        return f"[`{name}()`][{_PUBLIC[owner]}.{name}]"
    return f"`{name}{call}`"


def _tables(lines: list[str]) -> list[str]:
    """A table between rules of `=` as one of Markdown; its first line becomes the head."""
    made: list[str] = []
    starts: list[int] | None = None
    rows: list[list[str]] = []
    for line in lines:
        if _RULE.match(line):
            if starts is None:
                starts = [found.start() for found in re.finditer("=+", line)]
                rows = []
                continue
            indent = " " * starts[0]
            head = rows[0] if rows else [""] * len(starts)
            made += [
                f"{indent}|{'|'.join(f' {cell} ' for cell in row)}|"
                for row in (["" for _ in head], ["---"] * len(starts), *rows)
            ]
            starts = None
        elif starts is not None:
            ends = [*starts[1:], None]
            cells = [line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
            if rows and not cells[0]:
                rows[-1] = [f"{a} {b}".strip() for a, b in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(cells)
        else:
            made.append(line)
    return made
