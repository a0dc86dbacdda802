"""The package on CPython: it can be imported, and says where it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import readystate
from readystate import QueuedWebSocket, WebSocket


@pytest.mark.parametrize("constructor", [WebSocket, QueuedWebSocket])
def test_constructing_says_where_it_runs(constructor: Callable[[str], object]) -> None:
    with pytest.raises(RuntimeError, match="runs in Pyodide") as caught:
        constructor("ws://127.0.0.1/")
    assert sys.platform in str(caught.value)


def test_constants_are_there() -> None:
    assert (WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED) == (
        0,
        1,
        2,
        3,
    )


def test_all_that_is_public_is_exported_and_documented() -> None:
    for name in readystate.__all__:
        assert getattr(readystate, name).__doc__, name
    assert readystate.__all__ == sorted(readystate.__all__)


def test_importing_it_imports_little() -> None:
    """A page waits for each module: what the standard library has of the network stays out."""
    code = "from readystate import *; import sys; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"http", "urllib", "email", "logging.handlers"} & set(output.stdout.split())
