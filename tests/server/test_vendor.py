"""Fetching the runtimes. The network is needed: npm and pip really run."""

import base64
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from readystate_server.lab import vendor
from readystate_server.lab.vendor import VendorError

from ..processes import ROOT, run, started
from .conftest import copy_site

PROGRAM = [sys.executable, "-m", "readystate_server.lab.vendor"]
PYTHONPATH = "py:server"


WASM = "a small WebAssembly"
BROUGHT = {
    "@micropython/micropython-webassembly-pyscript/micropython.mjs": "",
    "pyodide/pyodide.mjs": "export {}",
    "pyodide/pyodide.asm.wasm": WASM,
    "pyodide/pyodide-lock.json": '{"packages": {"micropip": {}}}',
    "@pyscript/core/dist/core.js": "",
    "@pyscript/core/dist/core.js.map": "",
    "axe-core/axe.min.js": "",
    "partysocket/dist/ws.js": "",
    "mock-socket/dist/mock-socket.js": "",
    "msw/lib/core/index.js": "",
    "@oven/bun-linux-x64/bin/bun": "",
    "@deno/linux-x64-glibc/deno": "",
}


def fetch(web: Path, **options: Any) -> str:
    """Fetches into a web/, and returns what that says: nothing, if nothing is to be fetched."""
    stream = io.StringIO()
    has_fetched = vendor.fetch(web, stream, **options)
    assert has_fetched == bool(stream.getvalue())
    return stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fake_npm(folder: Path, script: str) -> Path:
    """A folder for the PATH whose npm runs `script`."""
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    return folder


def use_small_npm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has an npm that brings small files, and a pip without an index; returns npm's folder."""
    modules = folder / "brought"
    for name, text in BROUGHT.items():
        path = modules / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    npm = fake_npm(folder / "bin", f"exec cp -r '{modules}' node_modules")
    monkeypatch.setenv("PATH", f"{npm}:{os.environ['PATH']}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return npm


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that brings small files, and a pip without an index; returns npm's folder."""
    return use_small_npm(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A web/ with everything fetched, in small files. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("small")
    web = copy_site(folder / "web")
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_npm(folder, monkeypatch)
        assert fetch(web)
    return web


@pytest.fixture
def whole(small: Path, tmp_path: Path) -> Path:
    """A web/ with everything fetched, for which npm is not asked."""
    return Path(shutil.copytree(small, tmp_path / "web"))


def test_what_is_fetched(site: Path) -> None:
    first, last = fetch(site).splitlines()
    assert first.startswith("Fetching pyodide ")
    assert last.startswith("Fetched pyodide ")
    dependencies = json.loads((site / "package.json").read_text())["dependencies"]
    pyodide = site / "vendor" / f"pyodide@{dependencies['pyodide']}"
    pyscript = site / "vendor" / f"pyscript@{dependencies['@pyscript/core']}"
    version = dependencies[vendor.FOLDERS["micropython"]]
    for path in (pyodide / "pyodide.mjs", pyodide / "pyodide.asm.wasm", pyscript / "core.js"):
        assert path.stat().st_size > 0
    assert not list(pyscript.rglob("*.map"))
    assert sorted(path.name for path in (site / "vendor").iterdir()) == sorted(
        [".lock", "manifest.json", f"micropython@{version}", pyodide.name, pyscript.name]
    )
    # Pyodide accepts micropip's wheel.
    package = json.loads((pyodide / "pyodide-lock.json").read_text())["packages"]["micropip"]
    wheel = (pyodide / package["file_name"]).read_bytes()
    assert hashlib.sha256(wheel).hexdigest() == package["sha256"]
    assert package["sha256"] in (site / "micropip.txt").read_text()


def test_development_dependencies_come_when_asked_for(whole: Path, npm: Path) -> None:
    versions = json.loads((whole / "package.json").read_text())["devDependencies"]
    assert vendor.flaw(whole, development=True) == "it is incomplete"
    said = fetch(whole, development=True)
    for name, version in versions.items():
        assert f"and {name} {version}" in said
        assert list((whole / "vendor" / f"{name}@{version}").iterdir())
    # They stay, as long as what is pinned does.
    assert not fetch(whole)
    assert not fetch(whole, development=True)


def test_the_lock_names_no_host() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        *(("truncated", "is damaged)"), ("folder", "is missing)"), ("manifest", "is damaged)")),
        ("pins", "the pinned versions have changed)"),
    ],
)
def test_damage_is_repaired(whole: Path, npm: Path, damage: str, why: str) -> None:
    (wasm,) = whole.glob("vendor/pyodide@*/pyodide.asm.wasm")
    if damage == "truncated":
        wasm.write_text(WASM[:5])
    elif damage == "folder":
        shutil.rmtree(wasm.parent)
    elif damage == "manifest":
        (whole / "vendor" / "manifest.json").write_text("{")
    else:
        with (whole / "package-lock.json").open("a") as file:
            file.write("\n")
    (whole / "vendor" / "pyodide@0.0.1").mkdir()
    assert why in fetch(whole)
    assert vendor.flaw(whole) is None
    assert wasm.stat().st_size == len(WASM)
    assert not (whole / "vendor" / "pyodide@0.0.1").exists()


def test_without_pip_the_rest_is_fetched(site: Path, npm: Path) -> None:
    said = fetch(site)
    assert "Without micropip (pip: No matching distribution found" in said
    assert "PyScript's `packages` will need the network." in said
    assert vendor.flaw(site) is None


FAILS = """
    echo 'npm error code ENOTFOUND'
    echo 'npm error request to https://example.org/x failed, reason: getaddrinfo ENOTFOUND' >&2
    echo 'npm error     at ClientRequest.emit (node:events:524:28)'
    echo 'npm error A complete log of this run can be found in: /x'
    exit 1"""
WHY = (
    r"npm could not fetch the packages: request to https://example.org/x failed, "
    r"reason: getaddrinfo ENOTFOUND\. Check the network"
)


@pytest.mark.parametrize(
    ("script", "why"), [(FAILS, WHY), (None, r"npm is not on the PATH: install Node\.js")]
)
def test_without_npm_nothing_is_fetched(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str
) -> None:
    monkeypatch.setenv("PATH", str(fake_npm(tmp_path / "bin", script)) if script else "")
    stream = Terminal()
    with pytest.raises(VendorError, match=f"^{why}"):
        vendor.fetch(site, stream)
    assert stream.getvalue().endswith("\n")
    assert [path.name for path in (site / "vendor").iterdir()] == [".lock"]


def test_a_failure_keeps_what_was_there(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (core,) = whole.glob("vendor/pyscript@*/core.js")
    (whole / "vendor" / "manifest.json").unlink()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(VendorError):
        fetch(whole)
    assert core.is_file()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "no output"),
        ("npm ERR! code E404\nnpm ERR! 404 Not Found.\n", "404 Not Found"),
        ("ERROR: Hashes differ.\n  Expected: x", "Hashes differ"),
    ],
)
def test_the_reason(output: str, reason: str) -> None:
    assert vendor.reason(output) == reason


def test_progress_on_a_terminal_is_one_line() -> None:
    stream = Terminal()
    progress = vendor.Progress(stream)
    progress.start("Fetching x")
    progress.update(1_500_000)
    progress.end("Fetched x.")
    assert stream.getvalue() == "Fetching x ...\rFetching x ... 1.5 MB\r\x1b[KFetched x.\n"


def test_the_size_of_a_folder_that_changes(tmp_path: Path) -> None:
    (tmp_path / "stays").write_bytes(bytes(7))

    def change() -> None:
        for _ in range(300):
            inner = tmp_path / "a" / "b" / "c"
            inner.mkdir(parents=True)
            (inner / "file").write_bytes(bytes(3))
            shutil.rmtree(tmp_path / "a")

    with ThreadPoolExecutor() as pool:
        changes = pool.submit(change)
        while not changes.done():
            assert vendor.size_of(tmp_path) in (7, 7 + 3)
        changes.result()
    assert vendor.size_of(tmp_path) == 7


def test_two_processes_at_once(checkout: Path, npm: Path) -> None:
    options: dict[str, Any] = {"cwd": checkout, "env": {**os.environ, "PYTHONPATH": PYTHONPATH}}
    with (
        started(PROGRAM, stderr=subprocess.PIPE, **options) as one,
        started(PROGRAM, stderr=subprocess.PIPE, **options) as other,
    ):
        outputs = [process.communicate(timeout=50)[1] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], outputs
    assert sorted("Fetched" in output for output in outputs) == [False, True]
    assert vendor.flaw(checkout / "web") is None


def test_the_command_fails_with_one_line(checkout: Path) -> None:
    done = run(PROGRAM, cwd=checkout, env={"PATH": "", "PYTHONPATH": PYTHONPATH})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("npm is not on the PATH")
    assert "Traceback" not in done.stderr


def test_an_interrupt_leaves_nothing_behind(checkout: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "started"
    os.mkfifo(pipe)
    path = fake_npm(tmp_path / "bin", f"echo started > '{pipe}'; exec sleep 60")
    variables = {"PATH": f"{path}:{os.environ['PATH']}", "PYTHONPATH": PYTHONPATH}
    with started(PROGRAM, cwd=checkout, env=variables, stderr=subprocess.PIPE) as process:
        assert pipe.read_text() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert [path.name for path in (checkout / "web" / "vendor").iterdir()] == [".lock"]


def test_npm_checks_what_it_installs(site: Path) -> None:
    lock_path = site / "package-lock.json"
    lock = json.loads(lock_path.read_text())
    wrong = base64.b64encode(bytes(64)).decode()
    lock["packages"]["node_modules/pyodide"]["integrity"] = f"sha512-{wrong}"
    lock_path.write_text(json.dumps(lock))
    with pytest.raises(VendorError, match="npm could not fetch the packages"):
        fetch(site)
