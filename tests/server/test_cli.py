"""`python -m readystate_server`, as a process of its own in a copy of the project."""

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from readystate_server.__main__ import parse
from readystate_server.lab import Server
from readystate_server.lab.endpoints import ENDPOINTS

from .. import processes
from ..processes import ROOT, started

IN_TIME = 20.0


@pytest.fixture
def project(checkout: Path) -> Path:
    (checkout / "web" / "index.html").write_text("<!doctype html>home")
    return checkout


def command(project: Path, *options: str) -> dict[str, Any]:
    """How to run the server of the project, without npm, which would take a moment."""
    return {
        "command": [sys.executable, "-m", "readystate_server", *options],
        "cwd": project,
        "env": {"PATH": "", "PYTHONPATH": "py:server"},
    }


@contextmanager
def serving(project: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server on a free port, and what it prints: its URL."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(**command(project, "--port", "0", *options), **pipes) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()


def interrupt(
    process: subprocess.Popen[str], end: signal.Signals = signal.SIGINT
) -> tuple[str, str]:
    """Ends it; returns what else it says on its standard output and error."""
    process.send_signal(end)
    output, errors = process.communicate(timeout=IN_TIME)
    assert "Traceback" not in errors
    return output, errors


def run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the server that does not come to listen."""
    return processes.run(**command(project, *options))


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=IN_TIME) as response:  # noqa: S310
        assert response.status == 200
        return bytes(response.read())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_interrupted(project: Path, end: signal.Signals) -> None:
    with serving(project) as (process, line):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\n", line)
        for path in ("", "wheel/readystate.whl"):
            get(f"{line.strip()}{path}")
        output, errors = interrupt(process, end)
    assert (process.returncode, output) == (0, "")
    *_, unfetched, uncompiled = errors.splitlines()
    assert unfetched == (
        "npm is not on the PATH: install Node.js, which includes it, and try again. "
        "Until then the pages use the public CDN."
    )
    assert uncompiled.startswith("Not compiled for cp312, ")


def test_no_prepare_fetches_and_builds_nothing(project: Path) -> None:
    with serving(project, "--no-prepare") as (process, line):
        get(line.strip())
        assert interrupt(process) == ("", "")
    assert not (project / "web" / "wheel").exists()
    assert not (project / "web" / "vendor").exists()


def test_another_folder(project: Path) -> None:
    (project / "app").mkdir()
    (project / "app" / "page.html").write_text("mine")
    with serving(project, "app") as (process, line):
        url = line.strip()
        for path, found in (("page.html", b"mine"), ("runtime/boot.mjs", b"Pyodide")):
            assert found in get(f"{url}{path}")
        assert get(f"{url}wheel/readystate.whl").startswith(b"PK")
        interrupt(process)


def test_why_it_does_not_listen(project: Path) -> None:
    with Server() as server:
        done = run(project, "--port", str(server.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"Port {server.port} of 127.0.0.1 is in use: stop what uses it, or choose another with "
        "--port (0: any free one)."
    )
    assert "Traceback" not in done.stderr
    done = run(project, "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Cannot listen on 192.0.2.1, port 0: ")


@pytest.mark.parametrize(
    "options",
    [
        *(["nowhere"], ["--port", "65536"], ["--port", "x"]),
        *(["--allow-origin", "example.org"], ["--allow-origin", "https://example.org/"]),
        *(["--max-message", "0"], ["--max-connections", "0"]),
    ],
)
def test_wrong_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    *name, value = options
    with pytest.raises(SystemExit) as error:
        parse(options)
    assert error.value.code == 2
    assert f"argument {(name or ['folder'])[0]}: {value!r} is not a" in capsys.readouterr().err


def test_options() -> None:
    options = parse(["--allow-origin", "https://example.org:8443", "--allow-origin", "*"])
    assert options.allow_origin == ["https://example.org:8443", "*"]
    assert (options.host, options.port, options.max_message) == ("127.0.0.1", 8000, 2**24)


def test_help_names_every_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    readme = (ROOT / "server" / "readystate_server" / "lab" / "README.md").read_text()
    for name in ENDPOINTS:
        assert f"/ws/{name}" in text
        assert f"/ws/{name}" in readme
