"""What an editor, ``help()`` and ``inspect`` show of the public classes."""

from __future__ import annotations

import enum
import inspect
import typing

import pytest

import readystate
from readystate import sync
from readystate_server import sessions

CLASSES = [
    cls
    for module in (readystate, sessions, sync)
    for name in vars(module)["__all__"]
    if isinstance(cls := getattr(module, name), type)
    and not issubclass(cls, (BaseException, enum.Enum))
]
METHODS = [
    method
    for cls in CLASSES
    for name, method in inspect.getmembers(cls, inspect.isfunction)
    if name == "__init__" or not name.startswith("_")
]


@pytest.mark.parametrize("cls", CLASSES)
def test_a_class_shows_its_parameters_by_name(cls: type) -> None:
    parameters = inspect.signature(cls).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    assert all(parameter.annotation is not parameter.empty for parameter in parameters)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_annotations_can_be_evaluated(method: typing.Any) -> None:
    hints = typing.get_type_hints(method)
    names = {*inspect.signature(method).parameters} - {"self", "args", "kwargs"}
    assert names <= {*hints}


def test_blocking_connections_have_the_options_of_the_others() -> None:
    blocking, others = map(inspect.signature, (sync.connect, readystate.connect))
    assert blocking == others


def test_blocking_connections_have_the_members_of_the_others() -> None:
    blocking, others = (
        {name: member for name, member in inspect.getmembers(cls) if not name.startswith("_")}
        for cls in (sync.Connection, readystate.Connection)
    )
    assert blocking.keys() == others.keys()
    for name, member in blocking.items():
        if isinstance(member, property):
            assert member.__doc__ == others[name].__doc__
