"""Get started: the lines on the first page work as they are."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from readystate_server.lab import Server

from .dom import FakePage


async def test_the_first_lines_work(fake: FakePage, server: Server) -> None:
    shown = fake.one("section[aria-labelledby=start] pre code").textContent
    head, *lines, end = shown.splitlines()
    assert head.startswith('<script type="py" config=')
    assert '"/wheel/readystate.whl": "./*"' in head
    assert end == "</script>"
    # On CPython no page has an address.
    program = textwrap.dedent("\n".join(lines)).replace(
        '"/ws/echo"', repr(server.ws_url("/ws/echo"))
    )
    printed: list[str] = []
    code = compile(program, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    working: Any = eval(code, {"print": printed.append})  # noqa: S307
    assert inspect.iscoroutine(working)
    await working
    assert printed == ["hello"]
