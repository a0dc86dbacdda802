"""The browsers installed on this machine, and how Playwright starts them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserType

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

# One Chromium in a hundred samples its allocations, with their stacks. Where Pyodide has its own
# stack (JSPI), Chromium 156 reads beyond its end, and the page may crash. Chromium uses only the
# last list of features, so this includes Playwright's.
_NO_HEAP_PROFILER = (
    "--enable-features=CDPScreenshotNewSurface,"
    "HeapProfilerReporting:stable-probability/0/nonstable-probability/0"
)

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
    """Yield launch options for each installed browser of the kind ``name``."""
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
    """Return launch options for this kind of browser; Playwright's own comes first."""
    own = Path(browser_type.executable_path).is_file()
    options = {} if own else next(installed(browser_type.name), {})
    return steadied(browser_type.name, options)


def steadied(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Add launch options without which Chromium's pages sometimes crash."""
    if name != "chromium":
        return options
    steady = {**options, "args": [_NO_HEAP_PROFILER]}
    if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= 2**31:
        # Playwright makes Chromium share memory through files in /tmp, for containers with little
        # shared memory; if that disk is full, every page crashes.
        steady["ignore_default_args"] = ["--disable-dev-shm-usage"]
    return steady
