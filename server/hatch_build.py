"""Puts what the lab serves, and is elsewhere in the checkout, into the distribution.

That is what says which runtimes there are, web/package.json and its like, and the edition for
MicroPython, which is no package of the Python that installs it.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PINS = (".npmrc", "micropip.txt", "package-lock.json", "package.json")
TARGET = "readystate_server/lab/pins"
MICROPYTHON = "readystate_server/lab/micropython"


class Pins(BuildHookInterface[Any]):
    """Takes them from the checkout; a wheel that is made of an sdist has them from that."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; in an editable one they are found where they are."""
        if version == "editable":
            return
        checkout = Path(self.root).parent
        include = build_data["force_include"]
        for folder in (Path(self.root, MICROPYTHON), checkout / "py" / "micropython"):
            if folder.is_dir():
                for path in sorted(folder.rglob("*.py")):
                    include[str(path)] = f"{MICROPYTHON}/{path.relative_to(folder).as_posix()}"
                break
        for folder in (Path(self.root, TARGET), checkout / "web"):
            if (folder / PINS[-1]).is_file():
                for name in PINS:
                    include[str(folder / name)] = f"{TARGET}/{name}"
                return
