"""What libraries do beyond the one check that each has in tests/compat."""

from __future__ import annotations

import pytest

from tests.compat import test_gql, test_mqtt, test_tls
from tests.compat.conftest import TIMEOUT
from tests.compat.engines import Engine


def test_gql_over_aiohttp(engine: Engine, servers: str) -> None:
    engine.call(test_gql.aiohttp_transport, timeout=TIMEOUT, servers=servers)


@pytest.mark.blocking
def test_an_mqtt_broker_that_refuses(engine: Engine, refusing: str) -> None:
    engine.call(test_mqtt.a_broker_that_refuses, timeout=TIMEOUT, refusing=refusing)


def test_aiohttp_over_tls(engine: Engine, secure_peer: str) -> None:
    engine.call(test_tls.aiohttp_over_tls, timeout=TIMEOUT, secure_peer=secure_peer)


def test_websocket_client_over_tls(engine: Engine, engine_name: str, secure_peer: str) -> None:
    engine.call(
        test_tls.websocket_client_over_tls,
        timeout=TIMEOUT,
        secure_peer=secure_peer,
        engine_name=engine_name,
    )
