"""A server of one's own under test."""

from __future__ import annotations

import signal
import socket
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from readystate_server.testing import AppServer

SERVE = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]


def get(server: AppServer, path: str) -> bytes:
    with urllib.request.urlopen(server.url_for(path), timeout=10) as answer:  # noqa: S310
        data: bytes = answer.read()
        return data


def listens(server: AppServer) -> bool:
    try:
        socket.create_connection((server.host, server.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_runs_the_command_in_its_folder_until_the_block_ends(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    with AppServer(SERVE, cwd=tmp_path) as server:
        assert get(server, "/hello") == b"hello"
        assert server.ws_url("/orders") == f"ws://127.0.0.1:{server.port}/orders"
    assert not listens(server)


@pytest.mark.parametrize("end", [AppServer.kill, AppServer.stop])
def test_it_starts_again_on_the_same_port(tmp_path: Path, end: Callable[..., None]) -> None:
    (tmp_path / "hello").write_text("hello")
    with AppServer(SERVE, cwd=tmp_path) as server:
        url = server.url
        end(server)
        assert not listens(server)
        end(server)  # of one that does not run: nothing
        server.start()
        server.restart()
        assert server.url == url
        assert get(server, "/hello") == b"hello"
        with pytest.raises(RuntimeError, match="already running"):
            server.start()


def test_its_environment_is_that_of_the_test_and_more() -> None:
    code = "import os, sys; sys.exit(int(os.environ['OURS']) if 'PATH' in os.environ else 1)"
    with pytest.raises(OSError, match="ended with status 7 before it listened"):
        AppServer([sys.executable, "-c", code, "{port}"], env={"OURS": "7"}).start()


def test_stop_ends_what_does_not_end_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.testing.app_server.STOP_TIMEOUT", 0.1)
    code = f"""if True:
        import signal, socket, sys
        signal.signal({int(signal.SIGTERM)}, signal.SIG_IGN)
        with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
            while True:
                server.accept()[0].close()
    """
    with AppServer([sys.executable, "-c", code, "{port}"]) as server:
        with pytest.raises(TimeoutError, match=r"has not ended in 0\.1 s"):
            server.stop()
        assert not listens(server)


def test_a_server_that_never_listens_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.testing.app_server.START_TIMEOUT", 0.1)
    code = "import time; time.sleep(60)"
    server = AppServer([sys.executable, "-c", code, "{port}"])
    with pytest.raises(OSError, match=r"does not listen on port \d+ .*\{port\}"):
        server.start()
    server.stop()


def test_the_command_says_where_the_port_goes() -> None:
    with pytest.raises(ValueError, match=r"write \{port\} in one of its arguments"):
        AppServer(["uvicorn", "server:app"])
