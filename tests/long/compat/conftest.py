"""What the tests of libraries have: each ``async def`` test runs in each engine."""

from tests.compat.conftest import (
    authority,
    authority_file,
    cluster,
    cluster_urls,
    engine,
    opened,
    peer,
    pytest_configure,
    pytest_generate_tests,
    pytest_pyfunc_call,
    refusing,
    secure_peer,
    servers,
    shared_peer,
)

__all__ = [
    "authority",
    "authority_file",
    "cluster",
    "cluster_urls",
    "engine",
    "opened",
    "peer",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "refusing",
    "secure_peer",
    "servers",
    "shared_peer",
]
