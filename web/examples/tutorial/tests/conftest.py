import sys

import pytest
from readystate_server.testing import AppServer

pytest_plugins = ["readystate_server.testing"]
COMMAND = [sys.executable, "-m", "uvicorn", "server:app", "--port", "{port}"]


@pytest.fixture
def database(tmp_path):
    return tmp_path / "orders.db"


@pytest.fixture
def server(database):
    with AppServer(COMMAND, env={"ORDERS": str(database)}) as server:
        yield server
