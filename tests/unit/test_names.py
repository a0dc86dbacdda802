"""The names of the package, each of which loads its module when it is first asked for."""

from __future__ import annotations

import importlib

import pytest

import readystate

from .. import processes


@pytest.mark.parametrize("name", vars(readystate)["__all__"])
def test_each_name_is_there_and_documented(name: str) -> None:
    value = getattr(readystate, name)
    assert value.__doc__
    assert name == "Sendable" or value.__name__ == name  # which is an alias, and has none
    assert name in dir(readystate)


@pytest.mark.parametrize("module", readystate._PUBLIC)
def test_what_is_public_in_a_module_is_public_in_the_package(module: str) -> None:
    """Type checkers read the modules' ``__all__``, and Python the package's table."""
    public = importlib.import_module(f"readystate.{module}").__all__
    assert sorted(public) == sorted(readystate._PUBLIC[module])


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'WebSockets'"):
        readystate.WebSockets  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(ImportError, match="WebSockets"):
        from readystate import WebSockets  # type: ignore[attr-defined] # noqa: F401


def test_a_star_import_has_them_all_in_order() -> None:
    assert vars(readystate)["__all__"] == sorted(vars(readystate)["__all__"])
    names: dict[str, object] = {}
    exec("from readystate import *", names)  # noqa: S102
    assert set(vars(readystate)["__all__"]) <= set(names)


def loaded_by(names: str) -> set[str]:
    code = f"from readystate import {names}; import sys; print(*sys.modules)"
    return {*processes.python(code).split()}


def test_only_what_is_used_is_loaded() -> None:
    """A page waits for each module: what the standard library has of the network stays out."""
    others = {"readystate.connection.client", "readystate.queue.queued_websocket"}
    assert not others & loaded_by("WebSocket")
    rest = ("readystate.sync", "readystate.compat")
    assert not [name for name in loaded_by("connect, QueuedWebSocket") if name.startswith(rest)]
    assert not {"http", "email", "logging.handlers", "websockets"} & loaded_by("*")


SPARED = """
import gc, sys
sys.platform = {platform!r}
import readystate
gc.unfreeze()  # Python 3.12 starts with some.
{before}
seen = []
almost_enough = [[] for _ in range(gc.get_threshold()[0] - gc.get_count()[0] - 50)]
gc.callbacks.append(lambda phase, _: seen.append(phase))
readystate.Backoff
more = [[] for _ in range(100)]
print(bool(seen), gc.isenabled(), gc.get_freeze_count() > 0)
"""
"""Whether garbage is looked for, whether it will be, and whether objects are exempt from it."""


@pytest.mark.parametrize(
    ("platform", "before", "then"),
    [
        ("emscripten", "", "False True False"),
        # What the application has set stays.
        ("emscripten", "gc.disable()", "False False False"),
        ("emscripten", "gc.freeze()", "True True True"),
        # Only a page has a visitor who waits.
        ("linux", "", "True True False"),
    ],
)
def test_no_garbage_is_looked_for_while_a_page_imports(
    platform: str, before: str, then: str
) -> None:
    code = SPARED.format(platform=platform, before=before)
    assert processes.python(code) == f"{then}\n"
