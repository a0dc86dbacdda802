"""``websockets`` in its other versions, and its other clients."""

from __future__ import annotations

import pytest

from tests.compat import test_websockets
from tests.compat.conftest import TIMEOUT
from tests.compat.engines import Engine


@pytest.mark.parametrize(
    ("version", "module"),
    [
        ("12.0", "websockets"),
        ("13.1", "websockets"),
        ("13.1", "websockets.asyncio.client"),
        ("14.2", "websockets"),
        ("16.0", "websockets"),
        ("17.4", "websockets"),
        ("17.4", "websockets.legacy.client"),
    ],
)
def test_a_version(engine: Engine, peer: str, refusing: str, version: str, module: str) -> None:
    engine.call(
        test_websockets.test_a_version,
        timeout=TIMEOUT,
        peer=peer,
        refusing=refusing,
        version=version,
        module=module,
    )
