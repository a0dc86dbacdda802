"""Libraries in Pyodide before 314, where ``ssl`` is a package to be loaded, which npm has not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from readystate_server.lab import Server
from tests import versions
from tests.compat import packages, test_aiohttp
from tests.compat.conftest import TIMEOUT
from tests.compat.engines import Engine, in_node

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(params=[version for version in versions.SUPPORTED if version.startswith("0.")])
def old(request: pytest.FixtureRequest, server: Server, authority_file: Path) -> Iterator[Engine]:
    """Node.js with an old Pyodide."""
    packages.require()
    versions.fetch(long=True)
    folder = versions.MODULES / f"pyodide-{request.param}"
    with in_node(server, authority_file, folder) as (engine, _):
        yield engine


def test_aiohttp_does_without_ssl(old: Engine, peer: str, refusing: str) -> None:
    assert old.call(has_ssl) is False
    old.call(test_aiohttp.test_ws_connect, timeout=TIMEOUT, peer=peer, refusing=refusing)


async def has_ssl() -> bool:
    import importlib.util

    return importlib.util.find_spec("ssl") is not None
