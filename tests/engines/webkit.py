"""WebKitGTK's MiniBrowser, driven by Selenium, on a display of its own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium.webdriver import WebKitGTK, WebKitGTKOptions, WebKitGTKService

from ..processes import started

START_TIMEOUT = 30.0
"""Seconds that the display has to be there."""


def missing() -> list[str]:
    """The commands that are not on the ``PATH``."""
    return [name for name in ("WebKitWebDriver", "Xvfb") if shutil.which(name) is None]


@contextmanager
def display() -> Iterator[str]:
    """A virtual display, by the name that ``DISPLAY`` has.

    Raises:
        OSError: It does not start.
    """
    read, write = os.pipe()
    # It chooses a number that is free, and tells it when it is ready.
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with started(command, timeout=600, pass_fds=[write], **quiet) as process:
        os.close(write)
        with os.fdopen(read) as told:
            ready, _, _ = select.select([told], [], [], START_TIMEOUT)
            number = told.readline().strip() if ready else ""
        if not number:
            raise OSError(f"Xvfb is not there; its status is {process.poll()}")
        yield f":{number}"


@contextmanager
def launched() -> Iterator[WebKitGTK]:
    """A browser.

    Raises:
        OSError: There is no display.
        WebDriverException: It does not start.
    """
    with display() as name:
        options = WebKitGTKOptions()
        options.add_argument("--automation")
        environment = {**os.environ, "DISPLAY": name, "GDK_BACKEND": "x11"}
        # With a path, Selenium does not look for a driver in the network.
        service = WebKitGTKService(shutil.which("WebKitWebDriver"), env=environment)
        driver = WebKitGTK(options, service)
        try:
            yield driver
        finally:
            driver.quit()


def version(driver: WebKitGTK) -> str:
    """The version of the engine."""
    return str(driver.capabilities["browserVersion"])
