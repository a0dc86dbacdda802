"""The browsers that are installed on this machine, and how Playwright starts them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserType

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


def found(browser_type: BrowserType) -> dict[str, Any]:
    """Launch options for a browser of the kind: none if Playwright has its own of it."""
    if Path(browser_type.executable_path).is_file():
        return {}
    return with_shared_memory(browser_type.name, next(installed(browser_type.name), {}))


def with_shared_memory(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The launch options, and that Chromium shares memory as it does, where there is enough."""
    if name != "chromium" or not _SHARED_MEMORY.is_dir():
        return options
    if shutil.disk_usage(_SHARED_MEMORY).free < 2**31:
        return options
    # Playwright has Chromium share memory through files in /tmp, for containers with next to none;
    # where that disk is full, every page crashes.
    return {**options, "ignore_default_args": ["--disable-dev-shm-usage"]}
