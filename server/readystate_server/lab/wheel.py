"""Builds readystate's wheels for pages from the imported package.

They lack what pages cannot use: the port to CPython, and what lean.py leaves out. Their modules are
in one file, as bundle.py says.

======================================  ===========================================================
readystate-<version>-py3-none-any.whl    its sources
readystate-<version>-cp314-none-any.whl  compiled, for each Python with a compiler here
readystate.whl, readystate-cp314.whl     the same without a version, for PyScript
readystate-mpy.zip                       the edition for MicroPython
index.json                               the names with a version, by tag
======================================  ===========================================================
"""

import base64
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import readystate

from . import compiler
from .bundle import bundled, with_finder
from .lean import lean
from .places import MICROPYTHON, WEB

PLAIN = "py3"
"""The tag of the wheel with sources, for every Python."""
FOR_MICROPYTHON = "readystate-mpy.zip"
NOT_FOR_PAGES = ("_host/cpython/", "_host/port.py", "py.typed", "__pycache__/")
PACKAGE = Path(readystate.__file__).parent
INFO = f"readystate-{readystate.__version__}.dist-info"
METADATA = f"""\
Metadata-Version: 2.1
Name: readystate
Version: {readystate.__version__}
Summary: {readystate.__doc__}
License: MIT
Requires-Python: >=3.11
"""


def build(package: Path = PACKAGE, folder: Path = WEB / "wheel") -> dict[str, Path]:
    """Build the wheels of `package` in `folder`, and return them by tag.

    These are PLAIN, and the tags of compiler.MAGIC with a compiler here. Up-to-date wheels stay;
    other versions are deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = with_finder(read(package))
    plain = pack(bundled(files), PLAIN)
    # A hash of what compiled wheels are made of, and how, stored in them.
    origin = hashlib.sha256(plain + repr(compiler.COMPILEALL).encode()).hexdigest().encode()
    wheels = {PLAIN: plain}
    for tag in compiler.MAGIC:
        found = kept(folder / versioned(tag), origin)
        if found is None and (code := compiler.compiled(files, tag)):
            found = pack(bundled(code), tag, origin)
        if found is not None:
            wheels[tag] = found
    index = {tag: versioned(tag) for tag in wheels}
    made = {
        **{versioned(tag): data for tag, data in wheels.items()},
        **{stable(tag): data for tag, data in wheels.items()},
        FOR_MICROPYTHON: zipped(read(MICROPYTHON, documented=False)),
        "index.json": json.dumps(index, indent=1).encode() + b"\n",
    }
    for name, data in made.items():
        put(data, folder / name)
    for other in folder.glob("*.whl"):
        if other.name not in made:
            other.unlink(missing_ok=True)
    return {tag: folder / name for tag, name in index.items()}


def versioned(tag: str) -> str:
    """Return the wheel's name for installers."""
    return f"readystate-{readystate.__version__}-{tag}-none-any.whl"


def stable(tag: str) -> str:
    """Return the wheel's name without a version, for pages."""
    return "readystate.whl" if tag == PLAIN else f"readystate-{tag}.whl"


def read(package: Path, *, documented: bool = True) -> dict[str, bytes]:
    """Return the files of the package that a page can use; if `documented`, with docstrings."""
    names = {path.relative_to(package).as_posix(): path for path in package.rglob("*")}
    files = {
        f"readystate/{name}": names[name].read_bytes()
        for name in sorted(names)
        if names[name].is_file() and not any(part in name for part in NOT_FOR_PAGES)
    }
    return {
        name: lean(data, documented=documented) if name.endswith(".py") else data
        for name, data in files.items()
    }


def pack(files: Mapping[str, bytes], tag: str, comment: bytes = b"") -> bytes:
    """Return the wheel of `files`, reproducibly."""
    about = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}-none-any\n"
    files = {
        **files,
        f"{INFO}/METADATA": METADATA.encode(),
        f"{INFO}/WHEEL": about.encode(),
    }
    record = [f"{name},sha256={digest(data)},{len(data)}\n" for name, data in files.items()]
    files[f"{INFO}/RECORD"] = "".join([*record, f"{INFO}/RECORD,,\n"]).encode()
    return zipped(files, comment)


def zipped(files: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    """Return the archive of `files`, reproducibly."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            # ZipInfo has a constant time.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, compresslevel=9)
        archive.comment = comment
    return data.getvalue()


def digest(data: bytes) -> str:
    """Return the SHA-256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def kept(path: Path, origin: bytes) -> bytes | None:
    """Return the compiled wheel at `path`, if it was made of `origin`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return path.read_bytes() if archive.comment == origin else None
    except (OSError, zipfile.BadZipFile):
        return None


def put(data: bytes, path: Path) -> None:
    """Write a file atomically, unless it has the same bytes (and is cached)."""
    if not path.is_file() or path.read_bytes() != data:
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        staged.write_bytes(data)
        staged.replace(path)
