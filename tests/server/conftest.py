import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from readystate_server.lab import Server

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def id(request: pytest.FixtureRequest) -> str:
    """A journal id of the test's own."""
    return str(request.node.name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of web/ without what is fetched or built."""
    return Path(
        shutil.copytree(
            ROOT / "web", tmp_path / "web", ignore=shutil.ignore_patterns("vendor", "wheel")
        )
    )
