"""The wheel of readystate, built from this repository into web/wheel/."""

import shutil
import tempfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[3]
STABLE_NAME = "readystate.whl"
"""The name under which PyScript's `files` finds the wheel whatever its version."""


def build(root: Path = ROOT, folder: Path | None = None) -> Path:
    """Build the wheel of the project at `root` into `folder` (web/wheel/) and return its path.

    The same bytes are there as readystate.whl too; wheels of other versions are removed.
    """
    folder = folder or root / "web" / "wheel"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=folder) as staging:
        built = Path(next(WheelBuilder(str(root)).build(directory=staging, versions=["standard"])))
        copy = Path(shutil.copyfile(built, Path(staging) / STABLE_NAME))
        for wheel in (built, copy):
            put(wheel, folder / wheel.name)
    for other in folder.glob("*.whl"):
        if other.name not in (built.name, STABLE_NAME):
            other.unlink()
    return folder / built.name


def put(source: Path, target: Path) -> None:
    """Move `source` to `target` in one step, unless the same bytes are there (and cached)."""
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        source.replace(target)
