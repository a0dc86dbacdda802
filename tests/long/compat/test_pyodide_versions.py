"""Libraries in Pyodide before 314, where ``ssl`` is a package to be loaded.

npm has Pyodide without its packages. ``tests/versions/ssl.txt`` has the one of 0.27.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from readystate_server.lab import Server
from tests import versions
from tests.compat import packages, test_aiohttp, test_nats, test_tls, test_websockets
from tests.compat.conftest import TIMEOUT
from tests.compat.engines import Engine, in_node

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(params=[version for version in versions.SUPPORTED if version.startswith("0.")])
def old(request: pytest.FixtureRequest, server: Server, authority_file: Path) -> Iterator[Engine]:
    """Node.js with an old Pyodide."""
    packages.require()
    versions.fetch(long=True)
    with in_node(server, authority_file, versions.pyodide(request.param)) as (engine, _):
        yield engine


@pytest.fixture
def with_ssl(server: Server, authority_file: Path) -> Iterator[Engine]:
    """Node.js with the old Pyodide whose ``ssl`` can be had, which is loaded."""
    packages.require()
    versions.fetch(long=True)
    versions.fetch_ssl()
    folder = versions.pyodide(versions.WITH_SSL)
    with in_node(server, authority_file, folder) as (engine, _):
        engine.call(load_ssl, timeout=TIMEOUT)
        yield engine


def test_aiohttp_does_without_ssl(old: Engine, peer: str, refusing: str) -> None:
    assert old.call(has_ssl) is False
    old.call(test_aiohttp.test_ws_connect, timeout=TIMEOUT, peer=peer, refusing=refusing)


def test_libraries_with_ssl(
    with_ssl: Engine, peer: str, refusing: str, secure_peer: str, cluster_urls: list[str]
) -> None:
    def call(test: Any, **arguments: object) -> None:
        with_ssl.call(test, timeout=TIMEOUT, **arguments)

    newest = {"version": "17.4", "module": "websockets"}
    call(test_websockets.test_a_version, peer=peer, refusing=refusing, **newest)
    call(test_tls.test_websockets, secure_peer=secure_peer)
    call(test_tls.aiohttp_over_tls, secure_peer=secure_peer)
    call(test_nats.test_messages_and_requests, cluster_urls=cluster_urls)


async def has_ssl() -> bool:
    import importlib.util

    return importlib.util.find_spec("ssl") is not None


async def load_ssl() -> None:
    """As the warning of ``install()`` says."""
    import pyodide_js
    from pyodide.webloop import WebLoop

    import readystate.compat

    readystate.compat.uninstall()
    await pyodide_js.loadPackage("ssl")
    readystate.compat.install()

    # Pyodide 0.27's loop reports each task that is cancelled as an error; 0.28's does not.
    original = WebLoop._decrement_in_progress

    def decrement(loop: WebLoop, future: Any = None) -> None:
        original(loop, None if future is None or future.cancelled() else future)

    WebLoop._decrement_in_progress = decrement
