"""The package, before anything is connected."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable

import pytest

from readystate import QueuedWebSocket, WebSocket
from readystate._host import cpython, require_websocket

from .. import processes


def test_constants_are_there() -> None:
    names = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
    assert [getattr(WebSocket, name) for name in names] == [0, 1, 2, 3]


@pytest.mark.parametrize("constructor", [require_websocket, WebSocket, QueuedWebSocket])
def test_without_the_extra_it_says_which_one(
    constructor: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it were imported for the first time, where there is no websockets library.
    monkeypatch.delattr(cpython, "wire", raising=False)
    monkeypatch.delitem(sys.modules, "readystate._host.cpython.wire", raising=False)
    monkeypatch.setitem(sys.modules, "websockets", None)
    monkeypatch.setitem(sys.modules, "websockets.client", None)
    for name in [name for name in sys.modules if name.startswith("websockets.")]:
        monkeypatch.setitem(sys.modules, name, None)
    arguments = () if constructor is require_websocket else ("ws://127.0.0.1/",)
    with pytest.raises(ImportError, match=r"pip install 'readystate\[cpython\]'"):
        constructor(*arguments)


ON_PYODIDE = """if True:
    import sys
    from types import ModuleType
    from unittest.mock import MagicMock

    class Ffi(ModuleType):
        def __getattr__(self, name):
            if name.startswith("__") or name in {missing}:
                raise AttributeError(name)
            return type(name, (Exception,), {{}})

    js = MagicMock()
    for name in {missing}:
        delattr(js, name)
    sys.platform = "emscripten"
    sys.modules.update({{"js": js, "pyodide": Ffi("pyodide"), "pyodide.ffi": Ffi("pyodide.ffi")}})
    sys.modules["pyodide"].ffi = sys.modules["pyodide.ffi"]

    try:
        import readystate
        readystate.{name}("ws://127.0.0.1/")
    except Exception as error:
        print(f"{{type(error).__name__}}: {{error}}")
"""


def constructed_on_pyodide(name: str, missing: list[str]) -> str:
    """What a constructor raises where ``js``, or an old Pyodide, lacks some names."""
    return processes.python(ON_PYODIDE.format(name=name, missing=missing))


CONSTRUCTORS = ["WebSocket", "QueuedWebSocket", "connect"]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        *itertools.product(CONSTRUCTORS, ["JsException", "create_proxy"]),
        # JavaScript's, which is asked for when a module is imported.
        *itertools.product(["QueuedWebSocket", "connect"], ["Function"]),
    ],
)
def test_an_old_pyodide_is_not_taken_for_no_javascript(name: str, missing: str) -> None:
    raised = constructed_on_pyodide(name, [missing])
    assert raised.startswith("ImportError: ")
    assert missing in raised


def test_an_old_pyodide_need_not_have_a_null() -> None:
    """Those before 0.28 have none. Here it comes to where JavaScript has no ``WebSocket``."""
    raised = constructed_on_pyodide("WebSocket", ["jsnull", "WebSocket"])
    assert raised.startswith("RuntimeError: this JavaScript runtime has no WebSocket.")
