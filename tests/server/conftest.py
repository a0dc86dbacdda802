import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from readystate_server.lab import Server

from ..processes import ROOT


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def id() -> str:
    """A journal id of the test's own."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of web/ without what is fetched or built."""
    return copy_site(tmp_path / "web")


def copy_site(to: Path) -> Path:
    """Copies web/ without what is fetched or built; returns where it is."""
    left_out = shutil.ignore_patterns("vendor", "wheel")
    return Path(shutil.copytree(ROOT / "web", to, ignore=left_out))


@pytest.fixture
def checkout(tmp_path: Path, site: Path) -> Path:
    """A copy of the checkout, around the site, for what is to run in a process of its own."""
    clutter = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("py", "server"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=clutter)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path
