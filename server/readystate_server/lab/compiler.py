"""Compiles the package for the Pythons of pages, where an import spends most time compiling.

A compiler is a Python of the same version: on this machine, or else Pyodide's in Node.js.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from .places import WEB

MAGIC = {"cp312": 3531, "cp313": 3571, "cp314": 3627}
"""The Pythons of the supported Pyodides, and the magic number of their bytecode, which also reveals
other implementations and previews.
"""
COMPILEALL = ("compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", "readystate")
"""Writes x.pyc beside x.py, where it works without the source; reproducibly. Not of the folder ".",
which would be part of file names in tracebacks.
"""
DRIVER = Path(__file__).with_name("compiler.mjs")
TIMEOUT = 120.0
"""Seconds that a compiler may take."""


def compiled(files: Mapping[str, bytes], tag: str) -> dict[str, bytes] | None:
    """Return the package's `files` with bytecode instead of sources; None without a compiler.

    `tag` is one of MAGIC. Tracebacks name the files as `files` does: readystate/exceptions.py.
    """
    sources = [name for name in files if name.endswith(".py")]
    begin = MAGIC[tag].to_bytes(2, "little") + b"\r\n"
    with tempfile.TemporaryDirectory(prefix="readystate-") as name:
        folder = Path(name)
        for source in sources:
            path = folder / source
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[source])
        for command in compilers(tag):
            # The files show its success. No pipes, as they may outlive a timeout.
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    [*command, *COMPILEALL],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=TIMEOUT,
                    check=False,
                )
            code = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.pyc")}
            bytecode = {name: path.read_bytes() for name, path in code.items()}
            if all(bytecode.get(f"{name}c", b"").startswith(begin) for name in sources):
                others = {name: data for name, data in files.items() if name not in sources}
                return {**others, **bytecode}
    return None


def compilers(tag: str) -> Iterator[list[str]]:
    """Yield commands that may run a module with the Python of `tag`, fast ones first."""
    version = f"{tag[2]}.{tag[3:]}"
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if version == running else shutil.which(f"python{version}")
    if python:
        yield [python, "-I", "-m"]
    node = shutil.which("node")
    for lock in sorted(WEB.glob("vendor/pyodide@*/pyodide-lock.json")):
        if node and json.loads(lock.read_bytes())["info"]["python"].startswith(f"{version}."):
            yield [node, str(DRIVER), str(lock.parent)]
