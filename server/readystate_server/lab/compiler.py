"""Compiles the package ahead, for the Pythons that pages run: nearly all of an import is compiling.

A compiler is a Python of that very version: one on this machine, or else that of Pyodide, in Node.
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
"""The Pythons of the Pyodides that are supported, and the number with which their bytecode begins.

A Python of another implementation, or a preview, which writes other bytecode, is found out by it.
"""
COMPILEALL = ("compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", "readystate")
"""Writes x.pyc beside x.py, where it is found without the source; the same for the same source.

Not in the folder ".", with which all file names in tracebacks would begin.
"""
DRIVER = Path(__file__).with_name("compiler.mjs")
TIMEOUT = 120.0
"""Seconds that a compiler may take."""


def compiled(files: Mapping[str, bytes], tag: str) -> dict[str, bytes] | None:
    """Return the package's `files` with bytecode instead of sources; None: nothing here makes it.

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
            # What it has done shows in the files. Nothing is piped: a pipe may outlive a timeout.
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
    """Yield the commands that may run a module of the Python of `tag`, quick ones first."""
    version = f"{tag[2]}.{tag[3:]}"
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if version == running else shutil.which(f"python{version}")
    if python:
        yield [python, "-I", "-m"]
    node = shutil.which("node")
    for lock in sorted(WEB.glob("vendor/pyodide@*/pyodide-lock.json")):
        if node and json.loads(lock.read_bytes())["info"]["python"].startswith(f"{version}."):
            yield [node, str(DRIVER), str(lock.parent)]
