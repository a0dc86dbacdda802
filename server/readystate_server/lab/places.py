"""Paths, in a checkout of the project or for the installed package."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
IS_CHECKOUT = (ROOT / "pyproject.toml").is_file() and (ROOT / "web" / "package.json").is_file()


def cache() -> Path:
    """Return the user's cache folder, for what an installed package fetches and builds."""
    try:
        name = version("readystate-server")
    except PackageNotFoundError:
        name = "unknown"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "readystate" / name


WEB = ROOT / "web" if IS_CHECKOUT else cache()
"""The folder of vendor/ and wheel/; in a checkout also of the pages."""
PINS = WEB if IS_CHECKOUT else PACKAGE / "lab" / "pins"
"""The folder of package.json and the like, which pin the runtimes."""
MICROPYTHON = (ROOT / "py" if IS_CHECKOUT else PACKAGE / "lab") / "micropython" / "readystate"
"""The folder of the edition for MicroPython, which no Python here imports."""
FOLDERS = {
    "/vendor": WEB / "vendor",
    "/wheel": WEB / "wheel",
    "/runtime": PACKAGE / "lab" / "runtime",
    "/runtime/readystate_server/testing": PACKAGE / "testing",
}
"""The folders that each server serves besides its pages, by URL prefix."""
