"""The tutorial's app, as its reader has it in a folder after each step."""

from __future__ import annotations

import shutil
from pathlib import Path

from readystate_server.lab import wheel
from readystate_server.lab.places import WEB

TUTORIAL = WEB / "examples" / "tutorial"
STEPS = ("prices", "reconnecting", "nothing-lost", "tests", "deploying")


def lay_out(folder: Path, last: str) -> None:
    """Writes the files of each step up to `last`, and puts the wheels where the page has them."""
    for step in STEPS[: STEPS.index(last) + 1]:
        shutil.copytree(TUTORIAL / step, folder, dirs_exist_ok=True)
    for tag, built in wheel.build().items():
        shutil.copy(built, folder / "page")
        shutil.copy(built, folder / "page" / wheel.stable(tag))
