"""The version under test, and a former one, for a rolling deploy."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

from tests.processes import ROOT


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of the packages.

    Attributes:
        name: What it is called.
        folder: Where it is, if it is not the installed one.
        redis_connections: How many connections to Redis it needs, if redis-py's limit is not
            enough: a version that did not limit its commands itself.
    """

    name: str = "new"
    folder: Path | None = None
    redis_connections: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of processes that run it."""
        if self.folder is None:
            return {}
        return {"PYTHONPATH": os.pathsep.join((f"{self.folder}/py", f"{self.folder}/server"))}


def former(commit: str, folder: Path, clients: int) -> Version:
    """Puts the packages of a commit into a folder; it is to serve so many clients."""
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", commit, "py", "server"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    subprocess.run(["tar", "-x"], cwd=folder, check=True, input=archive.stdout, timeout=60)  # noqa: S607
    return Version(commit, folder, redis_connections=2 * clients)
