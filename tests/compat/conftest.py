"""Each ``async def`` test of this folder runs in each engine, with the libraries as they are.

Its arguments are fixtures, whose values have to be Python literals. Other tests may ask for the
``engine`` too.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from readystate_server.lab import Server

from . import packages
from .engines import PROCESSES, Engine, Opened, in_cpython, in_node, in_page, serving
from .nats_cluster import Cluster, running
from .peer import Peer

TIMEOUT = 90.0
"""Seconds that a test may take in an engine."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark of tests that do not run in CPython."""
    config.addinivalue_line("markers", "in_pyodide: of what is so in Pyodide only")
    config.addinivalue_line("markers", "blocking: needs JSPI, which not every Node.js has")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests time: the first in an engine starts it, with Python and all libraries."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(150))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes by the engines; ``--browser`` chooses among the browsers only."""
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.fixturenames.append("engine_name")
    if "engine_name" in metafunc.fixturenames:
        names = [*PROCESSES, *metafunc.config.option.browser]
        if metafunc.definition.get_closest_marker("in_pyodide"):
            names.remove("cpython")
        if metafunc.definition.get_closest_marker("blocking"):
            names.remove("node")
        metafunc.parametrize("engine_name", names, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test in its engine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    engine: Engine = pyfuncitem._request.getfixturevalue("engine")
    own = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in own}
    engine.call(pyfuncitem.obj, timeout=TIMEOUT, **arguments)
    return True


@pytest.fixture(scope="session")
def opened(
    engine_name: str, server: Server, authority_file: Path, request: pytest.FixtureRequest
) -> Iterator[Opened]:
    """An engine, started once, with the libraries and ``readystate.compat``."""
    packages.require()
    if engine_name == "cpython":
        opening = in_cpython(authority_file)
    elif engine_name == "node":
        opening = in_node(server, authority_file)
    else:
        opening = in_page(request.getfixturevalue("playwright"), engine_name, server)
    with opening as opened:
        yield opened


@pytest.fixture
def engine(opened: Opened) -> Iterator[Engine]:
    """An engine; the test fails if anything complains on its console."""
    engine, complaints = opened
    complaints.clear()
    yield engine
    assert complaints == []


@pytest.fixture(scope="session")
def servers(server: Server) -> Iterator[str]:
    """The URL of the servers for all libraries but NATS."""
    packages.require()
    with serving(server.url) as url:
        yield url


@pytest.fixture
def peer() -> Iterator[str]:
    """The URL, ``ws://...``, of a server of ``websockets``; see :mod:`tests.compat.peer`."""
    with Peer() as peer:
        yield peer.url


refusing = peer
"""The same, of another one: browsers delay connections to where some have failed."""


@pytest.fixture
def narrow() -> Iterator[str]:
    """The same, of one with small receive buffers, so that little waits while it stalls."""
    with Peer(is_narrow=True) as peer:
        yield peer.url


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who certifies the server that speaks TLS."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its certificate, for the engines that are to trust it; the browsers trust everybody."""
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def secure_peer(authority: trustme.CA) -> Iterator[str]:
    """The URL, ``wss://...``, of one that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Peer(context) as peer:
        yield peer.url


@pytest.fixture(scope="session")
def cluster(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A NATS cluster, all of whose nodes run."""
    with running(tmp_path_factory.mktemp("nats"), origins=[server.url]) as cluster:
        yield cluster


@pytest.fixture
def cluster_urls(cluster: Cluster) -> list[str]:
    """The WebSocket URLs of the cluster's nodes."""
    return cluster.urls
