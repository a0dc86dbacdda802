"""Both adapters of the port have what the port says, with the same parameters.

The adapter for Pyodide cannot be imported on CPython, so both are read.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from readystate import _host
from readystate._host import port

ADAPTERS = ("js", "cpython")
FOLDER = Path(_host.__file__).parent
CLASSES = [name for name in _host._MODULE_OF if name[0].isupper() and hasattr(port, name)]
FUNCTIONS = [name for name in vars(port.Functions) if not name.startswith("_")]


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The names of a function's parameters, without ``self``."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if arguments.kwarg is not None:
        names.append(f"**{arguments.kwarg.arg}")
    return [name for name in names if name != "self"]


def signatures(body: list[ast.stmt]) -> dict[str, list[str]]:
    """The parameters of each function of a body."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name: parameters(node) for node in body if isinstance(node, functions)}


def classes(body: list[ast.stmt]) -> dict[str, dict[str, list[str]]]:
    """The methods of each class of a body."""
    return {node.name: signatures(node.body) for node in body if isinstance(node, ast.ClassDef)}


def read(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


PORT = read(FOLDER / "port.py")


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", CLASSES)
def test_a_class(adapter: str, name: str) -> None:
    found = classes(read(FOLDER / adapter / f"{_host._MODULE_OF[name]}.py"))[name]
    for method, expected in classes(PORT)[name].items():
        assert found[method] == expected, method


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function(adapter: str, name: str) -> None:
    body = read(FOLDER / adapter / f"{_host._MODULE_OF[name]}.py")
    found = signatures(body).get(name)
    if found is None:  # It is Pyodide's own.
        assert any(
            alias.name == name
            for node in body
            if isinstance(node, ast.ImportFrom) and node.module == "pyodide.ffi"
            for alias in node.names
        )
    else:
        assert found == classes(PORT)["Functions"][name]


def test_the_port_says_all_that_is_used() -> None:
    assert set(_host._MODULE_OF) == {*FUNCTIONS, *CLASSES, "NativeError", "NativeObject"}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_each_module_exports_what_the_port_says(adapter: str) -> None:
    for module, names in _host._MODULES.items():
        for node in read(FOLDER / adapter / f"{module}.py"):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                assert set(names) <= set(ast.literal_eval(node.value)), module
                break
        else:
            pytest.fail(f"{adapter}/{module}.py has no __all__")
