"""Puts the modules of the package into one file of its wheel.

A page takes longer to find a module's file than to load it, and what modules have in common is
compressed once.
"""

import marshal
from collections.abc import Mapping
from pathlib import Path

from .lean import lean

FINDER = Path(__file__).with_name("finder.py")
INIT = "readystate/__init__.py"
MODULES = "readystate/modules"
"""A dict of the modules' bytes by their path in the package, as marshal has it."""
VERSION = 2
"""Of marshal's format: every Python reads it, and equal dicts have equal bytes."""


def with_finder(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the sources, with what imports from MODULES at the end of the package's own."""
    finder = lean(FINDER.read_bytes()).strip()
    return {**files, INIT: files[INIT] + finder + b"\n"}


def bundled(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files, those of modules in one; compiled or not, but for the package's own."""
    modules = {
        name.partition("/")[2]: data
        for name, data in files.items()
        if name.endswith((".py", ".pyc")) and name.removesuffix("c") != INIT
    }
    others = {name: data for name, data in files.items() if name.partition("/")[2] not in modules}
    return {**others, MODULES: marshal.dumps(modules, VERSION)}
