"""The wheel."""

import shutil
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from readystate_server.lab import wheel

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(folder=tmp_path_factory.mktemp("wheel"))


def read(path: Path, suffix: str) -> str:
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(suffix))
        return archive.read(name).decode()


def test_it_is_pure_python(built: Path) -> None:
    name, version, *tags = built.stem.split("-")
    assert (name, tags) == ("readystate", ["py3", "none", "any"])
    info = Parser().parsestr(read(built, ".dist-info/WHEEL"))
    assert (info["Root-Is-Purelib"], info["Tag"]) == ("true", "py3-none-any")
    assert Parser().parsestr(read(built, ".dist-info/METADATA"))["Version"] == version


def test_it_needs_nothing(built: Path) -> None:
    info = Parser().parsestr(read(built, ".dist-info/METADATA"))
    assert all("extra ==" in needed for needed in info.get_all("Requires-Dist", []))


def test_it_is_the_package_alone_typed_and_small(built: Path) -> None:
    with zipfile.ZipFile(built) as archive:
        names = archive.namelist()
    assert "readystate/py.typed" in names
    assert "readystate/server/pins/package-lock.json" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"readystate"}
    assert not [name for name in names if "__pycache__" in name]
    assert built.stat().st_size < 220_000


def test_it_has_a_stable_name_too(built: Path) -> None:
    assert sorted(path.name for path in built.parent.iterdir()) == sorted(
        [built.name, "readystate.whl"]
    )
    assert (built.parent / "readystate.whl").read_bytes() == built.read_bytes()


def test_it_is_reproducible(built: Path, tmp_path: Path) -> None:
    assert wheel.build(folder=tmp_path).read_bytes() == built.read_bytes()


def test_the_same_wheel_stays_and_others_go(built: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(built.parent, tmp_path / "wheel"))
    (folder / "readystate-0.0.1-py3-none-any.whl").touch()
    before = (folder / built.name).stat()
    wheel.build(folder=folder)
    assert (folder / built.name).stat().st_ino == before.st_ino
    assert len(list(folder.iterdir())) == 2


def test_a_changed_package_replaces_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "py", root / "py")
    ignore = shutil.ignore_patterns("vendor", "wheel")
    shutil.copytree(ROOT / "web", root / "web", ignore=ignore)
    before = wheel.build(root).read_bytes()
    (root / "py" / "readystate" / "extra.py").touch()
    built = wheel.build(root)
    assert built.parent == root / "web" / "wheel"
    assert built.read_bytes() != before
    assert (built.parent / "readystate.whl").read_bytes() == built.read_bytes()
