"""The wheels that pages load."""

import ast
import base64
import csv
import hashlib
import importlib.util
import json
import marshal
import shutil
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import readystate
from readystate_server.lab import bundle, compiler, wheel
from readystate_server.lab.places import MICROPYTHON
from readystate_server.testing import fixtures

from .. import processes

VERSION = readystate.__version__
OWN = f"cp{sys.version_info.major}{sys.version_info.minor}"
"""The Python that runs the tests compiles too, and then no other has to be here."""
NAMES = {
    "py3": [f"readystate-{VERSION}-py3-none-any.whl", "readystate.whl"],
    OWN: [f"readystate-{VERSION}-{OWN}-none-any.whl", f"readystate-{OWN}.whl"],
}
LIMITS = {"py3": 90_000, OWN: 250_000}


@pytest.fixture(scope="module", autouse=True)
def supported() -> Iterator[None]:
    magic = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(compiler, "MAGIC", {OWN: magic})
        yield


@pytest.fixture(scope="module")
def made(supported: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    wheel.build(folder=folder)
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that is compiled in no time."""
    folder = tmp_path / "readystate"
    folder.mkdir()
    (folder / "__init__.py").write_text("def fail():\n    raise LookupError\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wheel"


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def versions(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is there, and by which file: a file that is replaced is another one."""
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}


def test_each_has_two_names_and_the_index_tells_which_there_are(made: Path) -> None:
    names = {name for names in NAMES.values() for name in names}
    assert set(versions(made)) == {*names, "index.json", wheel.FOR_MICROPYTHON}
    assert json.loads((made / "index.json").read_text()) == {
        tag: name for tag, (name, _) in NAMES.items()
    }
    for one, other in NAMES.values():
        assert (made / one).read_bytes() == (made / other).read_bytes()


@pytest.mark.parametrize("tag", NAMES)
def test_it_is_a_wheel_that_needs_nothing(made: Path, tag: str) -> None:
    path = made / NAMES[tag][0]
    files = contents(path)
    info = f"readystate-{VERSION}.dist-info"
    about = Parser().parsestr(files[f"{info}/WHEEL"].decode())
    assert (about["Root-Is-Purelib"], about["Tag"]) == ("true", f"{tag}-none-any")
    metadata = Parser().parsestr(files[f"{info}/METADATA"].decode())
    assert (metadata["Name"], metadata["Version"]) == ("readystate", VERSION)
    assert (metadata["Requires-Dist"], metadata.get_payload()) == (None, "")
    record = list(csv.reader(files[f"{info}/RECORD"].decode().splitlines()))
    assert [name for name, _, _ in record] == list(files)
    for name, sha256, size in record[:-1]:
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode()
        assert (sha256, size) == (f"sha256={digest.rstrip('=')}", str(len(files[name])))
    assert path.stat().st_size < LIMITS[tag]


@pytest.mark.parametrize(("tag", "suffix"), [("py3", ".py"), (OWN, ".pyc")])
def test_it_has_the_package_without_what_pages_cannot_use(
    made: Path, tag: str, suffix: str
) -> None:
    modules = {
        path.relative_to(wheel.PACKAGE).with_suffix(suffix).as_posix()
        for path in wheel.PACKAGE.rglob("*.py")
        if "cpython" not in path.parts and path.name != "port.py"
    }
    files = contents(made / NAMES[tag][0])
    own = f"__init__{suffix}"
    names = {name for name in files if name.startswith("readystate/")}
    assert names == {f"readystate/{own}", bundle.MODULES}
    found = marshal.loads(files[bundle.MODULES])  # noqa: S302 - made here
    assert found.keys() == modules - {own}


def run(program: str, path: Path) -> list[str]:
    """The lines that a program prints with the package of a wheel."""
    code = f"import sys; sys.path[:0] = sys.argv[1:]\n{program}"
    return processes.python(code, path, flags=("-I", "-S")).splitlines()


def test_compiled_it_works_and_is_as_telling(made: Path) -> None:
    program = (
        "from readystate import exceptions\n"
        "from readystate.core.backoff import Backoff\n"
        "print(exceptions.__file__.endswith('/readystate/exceptions.pyc'), bool(Backoff.__doc__))\n"
        "print(Backoff.__init__.__code__.co_filename)\n"
    )
    assert run(program, made / NAMES[OWN][1]) == ["True True", "readystate/core/backoff.py"]


def test_tracebacks_show_the_lines_of_the_sources(made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(made / NAMES["py3"][1]) as archive:
        archive.extractall(tmp_path)
    program = (
        "import traceback; from readystate import Backoff\n"
        "try: Backoff(initial=-1)\n"
        "except ValueError as error: frame = traceback.extract_tb(error.__traceback__)[-1]\n"
        "print(frame.filename, frame.lineno, frame.line, sep='\\n')\n"
    )
    file, number, line = run(program, tmp_path)
    in_package = Path(file).relative_to(tmp_path / "readystate")
    assert line
    assert (wheel.PACKAGE / in_package).read_text().splitlines()[int(number) - 1].strip() == line


def test_a_module_that_is_not_there_is_missing_as_usual(made: Path) -> None:
    program = (
        "try: import readystate.core.nothing\n"
        "except ModuleNotFoundError as error: print(error.name, error)\n"
    )
    missing = "readystate.core.nothing"
    assert run(program, made / NAMES["py3"][1]) == [f"{missing} No module named '{missing}'"]


def test_the_edition_for_micropython_is_small_and_has_nothing_else(made: Path) -> None:
    files = contents(made / wheel.FOR_MICROPYTHON)
    modules = {f"readystate/{path.name}" for path in MICROPYTHON.glob("*.py")}
    assert files.keys() == modules
    assert (made / wheel.FOR_MICROPYTHON).stat().st_size < 17_500
    assert sum(map(len, files.values())) < 52_500
    about = files["readystate/__init__.py"].decode()
    assert f'__version__ = "{VERSION}"' in about
    # What it has is public in the package too.
    names = ast.literal_eval(about.split("_PUBLIC = ")[1].split("\n}")[0] + "\n}")
    assert {name for own in names.values() for name in own} < {*dir(readystate)}


def test_the_same_package_makes_the_same_wheels(package: Path, tmp_path: Path) -> None:
    one, other = (wheel.build(package, tmp_path / name) for name in ("one", "other"))
    assert one.keys() == other.keys() == NAMES.keys()
    for tag in NAMES:
        assert one[tag].read_bytes() == other[tag].read_bytes()


def test_what_is_there_stays_and_compiles_nothing_again_until_the_package_changes(
    package: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel.build(package, folder)
    before = versions(folder)
    (folder / "readystate-0.0.1-py3-none-any.whl").touch()
    with monkeypatch.context() as again:
        again.setattr(compiler, "compilers", lambda tag: pytest.fail("compiles again"))
        wheel.build(package, folder)
    assert versions(folder) == before
    (package / "extra.py").touch()
    wheel.build(package, folder)
    changed = {name for name, version in versions(folder).items() if version != before[name]}
    assert changed == {*before} - {"index.json", wheel.FOR_MICROPYTHON}


BAD = {
    "is not there": ["/nothing/python"],
    "is of another version": [sys.executable, "-c", "open('readystate/__init__.pyc', 'wb')"],
    "fails": [sys.executable, "-c", "raise SystemExit(1)"],
    "hangs": [sys.executable, "-c", "import threading; threading.Event().wait()"],
}


@pytest.mark.parametrize("command", BAD.values(), ids=BAD)
def test_a_compiler_that_does_not_work(
    package: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """What was compiled before goes, as it is not of this package any more."""
    wheel.build(package, folder)
    (package / "extra.py").touch()
    monkeypatch.setattr(compiler, "TIMEOUT", 0.5)
    monkeypatch.setattr(compiler, "compilers", lambda tag: iter([command]))
    assert wheel.build(package, folder).keys() == {"py3"}
    assert json.loads((folder / "index.json").read_text()).keys() == {"py3"}
    assert not list(folder.glob(f"*{OWN}*"))


def test_where_one_does_not_work_the_next_is_asked(
    package: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [BAD["fails"], [sys.executable, "-I", "-m"]]
    monkeypatch.setattr(compiler, "compilers", lambda tag: iter(commands))
    assert wheel.build(package, folder).keys() == NAMES.keys()


def test_what_does_not_compile_is_left_out(package: Path, folder: Path) -> None:
    wheel.build(package, folder)
    (package / "wrong.py").write_text("def")
    assert wheel.build(package, folder).keys() == {"py3"}
    assert not list(folder.glob(f"*{OWN}*"))


@pytest.mark.parametrize("found", [None, "/somewhere/python9.9"])
def test_which_compilers_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    """A Python on the PATH before Pyodide in Node, which takes seconds."""
    for name, python in (("1", "9.9.1"), ("2", "9.10.0")):
        lock = tmp_path / "vendor" / f"pyodide@{name}" / "pyodide-lock.json"
        lock.parent.mkdir(parents=True)
        lock.write_text(json.dumps({"info": {"python": python}}))
    monkeypatch.setattr(compiler, "WEB", tmp_path)
    path = {"python9.9": found, "node": "/somewhere/node"}
    monkeypatch.setattr(shutil, "which", path.get)
    pyodide = str(tmp_path / "vendor" / "pyodide@1")
    expected = [[found, "-I", "-m"]] if found else []
    assert list(compiler.compilers("cp99")) == [
        *expected,
        ["/somewhere/node", str(compiler.DRIVER), pyodide],
    ]
    assert list(compiler.compilers(OWN)) == [[sys.executable, "-I", "-m"]]


def test_a_run_of_the_tests_builds_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a pytest that one of its processes starts, which may be for another package."""
    built = []
    monkeypatch.setattr(fixtures, "WEB", tmp_path)
    monkeypatch.setattr(wheel, "build", lambda: built.append("built"))
    monkeypatch.setattr(fixtures, "pyodide_url", lambda: "/vendor/pyodide")
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "one")
    process: Any = SimpleNamespace(workerinput={"testrunuid": "one"})
    alone: Any = SimpleNamespace()
    for config, times in ((process, 1), (process, 1), (alone, 2), (process, 3)):
        fixtures.prepare(fixtures.run_of(config))
        assert len(built) == times
