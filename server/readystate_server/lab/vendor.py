"""Fetches the runtimes of the pages, pinned by web/package.json, to web/vendor/.

For an installed package, web/ is a folder in the user's cache. Run `python -m
readystate_server.lab.vendor` to fetch what is missing. `fetch` can also get the development
dependencies, for tests.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from .places import PINS, WEB

MANIFEST = "manifest.json"
DECISIVE = ("package-lock.json", "micropip.txt")
FOLDERS = {
    "pyodide": "pyodide",
    "pyscript": "@pyscript/core/dist",
    "micropython": "@micropython/micropython-webassembly-pyscript",
    # Their binaries are in separate packages, of which npm installs the one for this system.
    "bun": "@oven/bun-*",
    "deno": "@deno/*",
    "axe-core": "axe-core",
    "msw": "msw/lib",
}
"""The folders in node_modules/, by the names in web/vendor/; otherwise <name>/dist."""
TIMEOUT = 600.0
"""Seconds that npm, or pip, may take."""
NPM = ("ci", "--ignore-scripts", "--loglevel=error", "--no-progress")
NPM_RUNTIMES = ("--omit=dev",)
NPM_RETRIES = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
PIP = ("download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries=1")
PIP_WHAT = ("--no-deps", "--only-binary=:all:", "--python-version=3.14", "--require-hashes")


class VendorError(Exception):
    """The runtimes could not be fetched; the message says why and what to do."""


class Progress:
    """Shows progress: on a terminal in one line, otherwise at the start and the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._title = ""

    def start(self, title: str) -> None:
        self._title = title
        self._write(f"{title} ...", "" if self._live else "\n")

    def update(self, size: int) -> None:
        """Show `size`, in bytes."""
        if self._live:
            self._write(f"\r{self._title} ... {size / 1e6:.1f} MB", "")

    def end(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}" if self._live else text, "\n")

    def _write(self, text: str, end: str) -> None:
        self._stream.write(text + end)
        self._stream.flush()


def fetch(web: Path = WEB, stream: TextIO | None = None, *, development: bool = False) -> bool:
    """Update web/vendor/ to what package.json pins; return whether anything was fetched.

    With `development`, the development dependencies too. Progress goes to `stream` (standard
    error). Raises VendorError.
    """
    if web == WEB != PINS:
        shutil.copytree(PINS, web, dirs_exist_ok=True)
    vendor = web / "vendor"
    if flaw(web, development=development) is None:
        return False
    vendor.mkdir(parents=True, exist_ok=True)
    with locked(vendor):
        why = flaw(web, development=development)  # another process may have fetched meanwhile
        if why is None:
            return False
        for left in vendor.glob(".staging-*"):
            shutil.rmtree(left, ignore_errors=True)
        progress = Progress(stream or sys.stderr)
        versions = pinned(web, development=development)
        names = " and ".join(f"{name} {version}" for name, version in versions.items())
        progress.start(f"Fetching {names} ({why})")
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=vendor) as name:
            staging = Path(name)
            try:
                size = assemble(web, staging, progress, development=development)
            except BaseException:
                progress.end(f"Not fetched: {names}.")
                raise
        progress.end(f"Fetched {names}: {size / 1e6:.1f} MB.")
    return True


def pinned(web: Path, *, development: bool = False) -> dict[str, str]:
    """Return the versions in package.json, by the names in web/vendor/."""
    package = json.loads((web / "package.json").read_text())
    dependencies = package["dependencies"]
    versions = {
        name: dependencies[FOLDERS[name].removesuffix("/dist")]
        for name in ("pyodide", "pyscript", "micropython")
    }
    return versions | package["devDependencies"] if development else versions


def flaw(web: Path, *, development: bool = False) -> str | None:
    """Return what is wrong with web/vendor/, or None if it is complete and up to date."""
    vendor = web / "vendor"
    try:
        manifest = json.loads((vendor / MANIFEST).read_text())
        files: dict[str, dict[str, Any]] = manifest["files"]
        if manifest["pins"] != pins(web):
            return "the pinned versions have changed"
        if development and not manifest["development"]:
            return "it is incomplete"
        for name, expected in files.items():
            path = vendor / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != expected["size"] or digest(path) != expected["sha256"]:
                return f"{name} is damaged"
    except FileNotFoundError:
        return "it is missing"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    return None


def pins(web: Path) -> str:
    """Return a hash of the files that pin the versions."""
    return hashlib.sha256(b"\0".join((web / name).read_bytes() for name in DECISIVE)).hexdigest()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assemble(web: Path, staging: Path, progress: Progress, *, development: bool) -> int:
    """Fetch everything into `staging`, then move it to web/vendor/; return its size in bytes."""
    npm = () if development else NPM_RUNTIMES
    run_npm(web, staging, npm, lambda: progress.update(size_of(staging)))
    modules = staging / "node_modules"
    new = {
        f"{name}@{version}": find(modules, FOLDERS.get(name, f"{name}/dist"))
        for name, version in pinned(web, development=development).items()
    }
    pyodide = modules / FOLDERS["pyodide"]
    for folder in new.values():
        if folder != pyodide:
            for source_map in folder.rglob("*.map"):
                source_map.unlink()
    why = add_micropip(web, staging, pyodide)
    if why is not None:
        progress.end(f"Without micropip ({why}): PyScript's `packages` will need the network.")
    files: dict[str, dict[str, Any]] = {
        f"{name}/{path.relative_to(folder).as_posix()}": {
            "size": path.stat().st_size,
            "sha256": digest(path),
        }
        for name, folder in new.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = staging / MANIFEST
    content = {"pins": pins(web), "development": development, "files": files}
    manifest.write_text(json.dumps(content, indent=1) + "\n")
    install(web / "vendor", staging, {**new, MANIFEST: manifest})
    return sum(file["size"] for file in files.values())


def find(modules: Path, pattern: str) -> Path:
    """Return the folder in node_modules/ that matches `pattern`. Raises VendorError."""
    folder = next((path for path in sorted(modules.glob(pattern)) if path.is_dir()), None)
    if folder is None:
        raise VendorError(
            f"npm did not install {pattern}: check package.json, and whether it exists for "
            f"{platform.system()} on {platform.machine()}."
        )
    return folder


def binary(name: str, web: Path = WEB) -> Path:
    """Return the path of the runtime `name`, "bun" or "deno", that fetch(development=True) gets."""
    folder = web / "vendor" / f"{name}@{pinned(web, development=True)[name]}"
    file = f"{name}.exe" if sys.platform == "win32" else name
    return folder / ("bin" if name == "bun" else "") / file


def install(vendor: Path, staging: Path, new: dict[str, Path]) -> None:
    """Move `new` files to `vendor`, the last one (the manifest) after all others."""
    attic = staging / "old"
    attic.mkdir()
    for old in vendor.iterdir():
        if old.name in new or not old.name.startswith("."):
            old.rename(attic / old.name)
    for name, path in new.items():
        path.rename(vendor / name)


def run_npm(web: Path, staging: Path, what: Sequence[str], tick: Callable[[], None]) -> None:
    """Install the locked packages into staging/node_modules. Raises VendorError."""
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError(
            "npm is not on the PATH: install Node.js, which includes it, and try again."
        )
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(web / name, staging / name)
    failure = run([npm, *NPM, *NPM_RETRIES, *what], staging, tick)
    if failure is not None:
        raise VendorError(
            f"npm could not fetch the packages: {reason(failure)}. "
            "Check the network (and npm's settings), then try again."
        )


def add_micropip(web: Path, staging: Path, pyodide: Path) -> str | None:
    """Add micropip's wheel to the Pyodide folder and its lock; return the error, if any."""
    wheels = staging / "pip"
    what = ["-r", str((web / "micropip.txt").resolve()), "--dest", str(wheels.resolve())]
    failure = run([sys.executable, "-m", "pip", *PIP, *PIP_WHAT, *what], staging)
    if failure is not None:
        return f"pip: {reason(failure)}"
    wheel = next(wheels.glob("*.whl"))
    lock_path = pyodide / "pyodide-lock.json"
    lock = json.loads(lock_path.read_text())
    # Pyodide checks the hash, and builds its own wheel of the same version.
    lock["packages"]["micropip"].update(
        file_name=wheel.name, sha256=digest(wheel), version=wheel.name.split("-")[1]
    )
    lock_path.write_text(json.dumps(lock, separators=(",", ":")))
    wheel.rename(pyodide / wheel.name)
    return None


def run(command: list[str], folder: Path, tick: Callable[[], None] = lambda: None) -> str | None:
    """Run a command in `folder`, calling `tick` regularly; return its output if it failed."""
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        deadline = time.monotonic() + TIMEOUT
        try:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    return f"timed out after {TIMEOUT:g} s"
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
                tick()
        finally:
            process.kill()
            process.wait()
    return output.read_text(errors="replace") if process.returncode else None


def reason(output: str) -> str:
    """Return the line of npm's or pip's output with the cause of its failure."""
    lines = []
    for line in output.splitlines():
        text = line
        for mark in ("npm error", "npm ERR!", "ERROR:"):
            text = text.removeprefix(mark)
        # Indented lines are a stack or details.
        if text.strip() and not text.startswith("  ") and "complete log of this run" not in text:
            lines.append(text.strip())
    causes = [line for line in lines if "reason:" in line]
    return (causes or lines or ["no output"])[-1].rstrip(".")


def size_of(folder: Path) -> int:
    """Return the size of all files in `folder`, which may be changing."""
    size = 0
    # Not Path.rglob(), which fails if a folder is removed meanwhile.
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_size
    return size


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process; wait while another one holds it."""
    with (folder / ".lock").open("w") as file:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Fetch; return the exit status."""
    try:
        if not fetch():
            sys.stderr.write("The runtimes are complete and up to date.\n")
    except (VendorError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
