"""The browsers that are installed on this machine, and how Playwright starts them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserType

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108

# One Chromium in a hundred takes samples of its allocations, with the stack of each. Where Pyodide
# runs on a stack of its own (JSPI), Chromium 156 looks for that beyond the stack's end, and
# the page may crash. Chromium takes the last list of features alone, so Playwright's is here.
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
    """Launch options for a browser of the kind: no path of one if Playwright has its own."""
    own = Path(browser_type.executable_path).is_file()
    options = {} if own else next(installed(browser_type.name), {})
    return steadied(browser_type.name, options)


def steadied(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The launch options, and those without which Chromium's pages crash now and then."""
    if name != "chromium":
        return options
    steady = {**options, "args": [_NO_HEAP_PROFILER]}
    if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= 2**31:
        # Playwright has Chromium share memory through files in /tmp, for containers with next to
        # none; where that disk is full, every page crashes.
        steady["ignore_default_args"] = ["--disable-dev-shm-usage"]
    return steady
