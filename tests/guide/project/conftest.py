from pathlib import Path

import pytest

pytest_plugins = ["readystate_server.testing"]


@pytest.fixture(scope="session")
def app_folder() -> Path:
    return Path(__file__).parent / "app"  # is served at /
