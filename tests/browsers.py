"""Which browsers the tests drive on this machine, and with which options Playwright starts them.

``python -m tests.setup`` tries what it finds and writes down what works.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "firefox")
FOUND = Path(__file__).parent / ".browsers.json"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

_COMMANDS = {
    "chromium": (
        "google-chrome",
        "google-chrome-stable",
        "chromium",
        "chromium-browser",
        "microsoft-edge",
        "msedge",
        "chrome",
    ),
    "firefox": ("firefox", "firefox-esr"),
}
_APPLICATIONS = {
    "chromium": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
        r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Microsoft\Edge\Application\msedge.exe",
    ),
    "firefox": (
        "/Applications/Firefox.app/Contents/MacOS/firefox",
        r"%ProgramFiles%\Mozilla Firefox\firefox.exe",
    ),
}


def installed(name: str) -> Iterator[dict[str, Any]]:
    """Launch options for each browser of the kind ``name`` that is installed on this machine."""
    commands = (shutil.which(command) for command in _COMMANDS[name])
    applications = (os.path.expandvars(path) for path in _APPLICATIONS[name])
    for path in (*commands, *applications):
        if path is not None and Path(path).is_file():
            options: dict[str, Any] = {"executable_path": path}
            if name == "firefox":
                # A stock Firefox is driven over WebDriver BiDi; Playwright's own is not.
                options["channel"] = "moz-firefox"
            yield options


def launch_options(name: str) -> dict[str, Any]:
    """The launch options that ``python -m tests.setup`` has found to work for ``name``.

    Raises:
        RuntimeError: There are none.
    """
    try:
        found: dict[str, dict[str, Any]] = json.loads(FOUND.read_text())
    except FileNotFoundError:
        found = {}
    if name not in found:
        python = Path(sys.executable).name
        raise RuntimeError(f"no {name} is set up for the tests: run '{python} -m tests.setup'")
    options = found[name]
    if name == "chromium" and _has_shared_memory():
        # Playwright has Chromium share memory through files in /tmp, for containers with next to
        # none; where that disk is full, every page crashes.
        options = {**options, "ignore_default_args": ["--disable-dev-shm-usage"]}
    return options


def _has_shared_memory() -> bool:
    """Whether there is memory for many pages to be shared."""
    return _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= 2**31
