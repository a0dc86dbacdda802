"""The wheel of readystate: of this checkout, or of the package as it is installed."""

import base64
import hashlib
import shutil
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from .places import IS_CHECKOUT, ROOT, WEB

STABLE_NAME = "readystate.whl"
"""The name under which PyScript's `files` finds the wheel whatever its version."""
NOT_PACKED = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
"""What pip adds to the metadata."""


def build(root: Path | None = ROOT if IS_CHECKOUT else None, folder: Path | None = None) -> Path:
    """Put the wheel of the project at `root` into `folder` (web/wheel/) and return its path.

    None as the root: of the installed package. The same bytes are there as readystate.whl too;
    wheels of other versions are removed.
    """
    folder = folder or (WEB if root is None else root / "web") / "wheel"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=folder) as staging:
        built = pack(Path(staging)) if root is None else build_with_hatchling(root, Path(staging))
        copy = Path(shutil.copyfile(built, Path(staging) / STABLE_NAME))
        for wheel in (built, copy):
            put(wheel, folder / wheel.name)
    for other in folder.glob("*.whl"):
        if other.name not in (built.name, STABLE_NAME):
            other.unlink()
    return folder / built.name


def build_with_hatchling(root: Path, folder: Path) -> Path:
    """Build the wheel of the project at `root` into `folder` and return its path."""
    try:  # an installed package can do without
        from hatchling.builders.wheel import WheelBuilder
    except ModuleNotFoundError:
        text = "hatchling is not installed: pip install -e '.[lab]'"
        raise ModuleNotFoundError(text, name="hatchling") from None
    return Path(next(WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])))


def pack(folder: Path) -> Path:
    """Make a wheel, in `folder`, of the files that are installed, and return its path."""
    installed = distribution("readystate")
    paths = [
        path
        for path in sorted(installed.files or ())
        if path.parts[0].startswith("readystate")
        and path.suffix != ".pyc"
        and path.name not in NOT_PACKED
    ]
    metadata = next(path.parts[0] for path in paths if path.name == "METADATA")
    wheel = folder / f"readystate-{installed.version}-py3-none-any.whl"
    record = [f"{metadata}/RECORD,,"]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            data = path.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(data)}")
            # With the time of the file the same package would not make the same wheel.
            archive.writestr(zipfile.ZipInfo(str(path)), data, zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo(f"{metadata}/RECORD"), "\n".join([*record, ""]))
    return wheel


def put(source: Path, target: Path) -> None:
    """Move `source` to `target` in one step, unless the same bytes are there (and cached)."""
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        source.replace(target)
