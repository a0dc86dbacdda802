"""Puts what says which runtimes there are, web/package.json and its like, into the distribution."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PINS = (".npmrc", "micropip.txt", "package-lock.json", "package.json")
TARGET = "readystate_server/lab/pins"


class Pins(BuildHookInterface[Any]):
    """Takes them from the checkout; a wheel that is made of an sdist has them from that."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; in an editable one they are found where they are."""
        if version == "editable":
            return
        for folder in (Path(self.root, TARGET), Path(self.root).parent / "web"):
            if (folder / PINS[-1]).is_file():
                for name in PINS:
                    build_data["force_include"][str(folder / name)] = f"{TARGET}/{name}"
                return
