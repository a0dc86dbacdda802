"""The names of the package, each of which loads its module when it is first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import readystate


@pytest.mark.parametrize("name", readystate.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(readystate, name).__name__ == name
    assert name in dir(readystate)


def test_all_names_are_exported() -> None:
    assert sorted(readystate._MODULES) == sorted(readystate.__all__)


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'WebSockets'"):
        readystate.WebSockets  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(ImportError, match="WebSockets"):
        from readystate import WebSockets  # type: ignore[attr-defined] # noqa: F401


def test_a_star_import_has_them_all() -> None:
    names: dict[str, object] = {}
    exec("from readystate import *", names)  # noqa: S102
    assert set(readystate.__all__) <= set(names)


def test_only_what_is_used_is_loaded() -> None:
    code = (
        "import sys; from readystate import WebSocket;"
        "print([m for m in sys.modules if m in ('readystate.websocket', 'readystate.client', "
        "'readystate.queued_websocket')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "['readystate.websocket']"
