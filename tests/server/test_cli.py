"""`python -m readystate_server`, as a process of its own in a copy of the project."""

import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from readystate_server.lab import Server

from .. import processes
from ..processes import ROOT, started

IN_TIME = 20.0


@pytest.fixture
def project(checkout: Path) -> Path:
    (checkout / "web" / "index.html").write_text("<!doctype html>home")
    return checkout


def options_of(project: Path) -> dict[str, Any]:
    """How to run the server of the project, without npm, which would take a moment."""
    return {"cwd": project, "env": {"PATH": "", "PYTHONPATH": "py:server"}}


def start(project: Path, *options: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the server until it is interrupted."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "readystate_server", *options]
    return started(command, **pipes, **options_of(project))


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the server that does not come to listen."""
    command = [sys.executable, "-m", "readystate_server", *options]
    return processes.run(command, **options_of(project))


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=IN_TIME) as response:  # noqa: S310
        assert response.status == 200
        return bytes(response.read())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_interrupted(project: Path, end: signal.Signals) -> None:
    with start(project, "--port", "0") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", line)
        for path in ("", "wheel/readystate.whl"):
            get(f"{line.strip()}{path}")
        process.send_signal(end)
        output, errors = process.communicate(timeout=IN_TIME)
    assert process.returncode == 0
    assert output == ""
    *_, unfetched, uncompiled = errors.splitlines()
    assert unfetched == (
        "npm is not on the PATH: install Node.js, which includes it, and try again. "
        "Until then the pages use the public CDN."
    )
    assert uncompiled.startswith("Not compiled for cp312, ")
    assert "Traceback" not in errors


def test_no_prepare_fetches_and_builds_nothing(project: Path) -> None:
    with start(project, "--port", "0", "--no-prepare") as process:
        assert process.stdout is not None
        get(process.stdout.readline().strip())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=IN_TIME)
    assert errors == ""
    assert not (project / "web" / "wheel").exists()
    assert not (project / "web" / "vendor").exists()


def test_another_folder(project: Path) -> None:
    (project / "app").mkdir()
    (project / "app" / "page.html").write_text("mine")
    with start(project, "--port", "0", "app") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        for path, found in (("page.html", b"mine"), ("runtime/boot.mjs", b"Pyodide")):
            assert found in get(f"{url}{path}")
        assert get(f"{url}wheel/readystate.whl").startswith(b"PK")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=IN_TIME)


def test_a_folder_that_is_not_there(project: Path) -> None:
    assert (
        run(project, "nowhere")
        .stderr.splitlines()[-1]
        .endswith("argument folder: 'nowhere' is not a folder")
    )


def test_a_port_in_use(project: Path) -> None:
    with Server() as server:
        done = run(project, "--port", str(server.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"Port {server.port} of 127.0.0.1 is in use: stop what uses it, or choose another with "
        "--port (0: any free one)."
    )
    assert "Traceback" not in done.stderr


def test_a_host_that_is_not_ours(project: Path) -> None:
    done = run(project, "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Cannot listen on 192.0.2.1, port 0: ")


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "65536"],
        ["--port", "x"],
        ["--allow-origin", "example.org"],
        ["--allow-origin", "https://example.org/"],
        ["--max-message", "0"],
        ["--max-connections", "0"],
    ],
)
def test_wrong_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from readystate_server.__main__ import parse

    with pytest.raises(SystemExit) as error:
        parse(options)
    assert error.value.code == 2
    assert f"argument {options[0]}: {options[1]!r} is not a" in capsys.readouterr().err


def test_options() -> None:
    from readystate_server.__main__ import parse

    options = parse(["--allow-origin", "https://example.org:8443", "--allow-origin", "*"])
    assert options.allow_origin == ["https://example.org:8443", "*"]
    assert (options.host, options.port, options.max_message) == ("127.0.0.1", 8000, 2**24)


def test_help_names_every_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    from readystate_server.__main__ import parse
    from readystate_server.lab.endpoints import ENDPOINTS

    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    readme = (ROOT / "server" / "readystate_server" / "lab" / "README.md").read_text()
    for name in ENDPOINTS:
        assert f"/ws/{name}" in text
        assert f"/ws/{name}" in readme
