"""``python -m tests.setup``: all that the tests need beyond ``pip install``.

The JavaScript runtimes, Bun and Deno among them, and for each kind of browser one that can be
driven: one that is installed, else Playwright's download, else the system's package. Redis, for the
sessions of several server processes. And for ``readystate.compat`` the libraries of PyPI that it is
tried with, and a NATS server.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Error, sync_playwright
from selenium.common.exceptions import WebDriverException

from readystate_server.lab import vendor, wheel
from readystate_server.testing.browsers import installed

from . import jupyter, versions
from .browsers import FOUND, NAMES
from .compat import packages
from .engines import webkit

_DOWNLOAD_HOST = "cdn.playwright.dev"
_PACKAGES = {
    "apt-get": {
        "chromium": ["chromium"],
        "firefox": ["firefox-esr"],
        "nats": ["nats-server"],
        "redis": ["redis-server"],
        "webkitgtk": ["webkit2gtk-driver", "xvfb"],
    },
    "dnf": {"chromium": ["chromium"], "firefox": ["firefox"], "redis": ["valkey"]},
}
_BY_HAND = {
    "nats": "nats-server (https://github.com/nats-io/nats-server/releases)",
    "webkitgtk": "WebKitWebDriver with its MiniBrowser, and Xvfb,",
}
_SERVERS = {"redis": ("redis-server", "valkey-server"), "nats": ("nats-server",)}


class NotPossible(Exception):  # noqa: N818
    """Why one of the ways to a browser is closed."""


def main() -> int:
    """Sets everything up; returns the exit status."""
    missing = []
    try:
        vendor.fetch(development=True)
        versions.fetch()
        wheel.build()
    except vendor.VendorError as error:
        print(error)
        missing.append("the JavaScript runtimes")
    found = {name: find(name) for name in (*NAMES, "webkitgtk", *_SERVERS)}
    missing += [name for name, options in found.items() if options is None]
    drivable = {name: found[name] for name in NAMES if found[name] is not None}
    FOUND.write_text(json.dumps(drivable, indent=2) + "\n")
    if shutil.which("node") is None:
        print("node: not on the PATH: install Node.js, 20 or newer")
        missing.append("node")
    try:
        if packages.fetch():
            print(f"libraries: fetched, {len(packages.wheels())} wheels")
        packages.fetch_notebook(jupyter.HERE)
    except packages.PackagesError as error:
        print(f"libraries: {error}")
        missing.append("the libraries")
    if missing:
        print(f"Not set up: {', '.join(missing)}. The tests that need them will fail.")
    return 1 if missing else 0


def find(name: str) -> dict[str, Any] | None:
    """Launch options of a browser that can be driven, none for a server; ``None`` if it is missing.

    Says each thing that it does.
    """
    ways: dict[str, Callable[[str], None]] = {
        "installed": lambda _: None,
        "downloaded by Playwright": download,
        "from the system's packages": install_package,
    }
    if name not in NAMES:
        del ways["downloaded by Playwright"]
    for how, step in ways.items():
        try:
            step(name)
            version, where, options = drive(name)
        except NotPossible as reason:
            print(f"{name}: not {how}: {reason}", flush=True)
        else:
            print(f"{name}: {version} ({where})", flush=True)
            return options
    return None


def drive(name: str) -> tuple[str, str | None, dict[str, Any]]:
    """The version of one that can be driven, or a server, where it is, and its launch options."""
    for command in _SERVERS.get(name, ()):
        if path := shutil.which(command):
            return command, path, {}
    if name in _SERVERS:
        raise NotPossible(f"{' or '.join(_SERVERS[name])} not found")
    if name == "webkitgtk":
        return try_webkitgtk(), shutil.which("WebKitWebDriver"), {}
    for options in (*installed(name), {}):
        if version := try_launch(name, options):
            return version, options.get("executable_path", "Playwright's"), options
    raise NotPossible("none that can be driven")


def try_webkitgtk() -> str:
    """The version of WebKitGTK, driven on a virtual display."""
    if missing := webkit.missing():
        raise NotPossible(f"{' and '.join(missing)} not found")
    try:
        with webkit.launched() as driver:
            driver.get("data:text/html,<title>ready</title>")
            if driver.title != "ready":
                raise NotPossible("it shows no page")
            return webkit.version(driver)
    except (OSError, WebDriverException) as error:
        raise NotPossible(str(error).splitlines()[0]) from error


def try_launch(name: str, options: dict[str, Any]) -> str | None:
    """The version of the browser, or ``None`` if Playwright cannot drive it."""
    with sync_playwright() as playwright:
        try:
            with getattr(playwright, name).launch(timeout=60_000, **options) as browser:
                page = browser.new_page()
                page.goto("data:text/html,<title>ready</title>", timeout=30_000)
                return str(browser.version) if page.title() == "ready" else None
        except Error as error:
            if options:  # Of Playwright's own it is not known whether there is one.
                print(f"{name}: {options['executable_path']}: {str(error).splitlines()[0]}")
            return None


def download(name: str) -> None:
    """Has Playwright download its own build of the browser."""
    if not os.environ.get("HTTPS_PROXY") and not os.environ.get("PLAYWRIGHT_DOWNLOAD_HOST"):
        # Playwright itself would try for minutes.
        try:
            socket.create_connection((_DOWNLOAD_HOST, 443), timeout=5).close()
        except OSError as error:
            raise NotPossible(f"{_DOWNLOAD_HOST} is out of reach ({error})") from error
    print(f"{name}: downloading Playwright's build", flush=True)
    run([sys.executable, "-m", "playwright", "install", name], timeout=900)


def install_package(name: str) -> None:
    """Installs the system's package of the browser."""
    manager = next((manager for manager in _PACKAGES if shutil.which(manager)), None)
    if manager is None or name not in _PACKAGES[manager]:
        where = f"{manager} has no package of it that is known here"
        if manager is None:
            where = f"none of {', '.join(_PACKAGES)} is here"
        raise NotPossible(f"{where}; install {_BY_HAND.get(name, name)} by hand")
    packages = _PACKAGES[manager][name]
    prefix: list[str] = []
    if os.geteuid() != 0:  # these managers are of systems that have it
        prefix = ["sudo", "-n"]
        if not (shutil.which("sudo") and succeeds([*prefix, "true"])):
            raise NotPossible(f"that needs root; as root: {manager} install {' '.join(packages)}")
    print(f"{name}: installing the system's package with {manager}", flush=True)
    options: list[str] = []
    if manager == "apt-get":
        options = ["-o", "DPkg::Lock::Timeout=120"]
        run([*prefix, manager, "update", *options], timeout=300)
        options.append("--no-install-recommends")
    run([*prefix, manager, "install", "-y", *options, *packages], timeout=900)


def succeeds(command: list[str]) -> bool:
    """Whether ``command`` exits with status 0."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run(command: list[str], *, timeout: float) -> None:
    """Runs ``command`` for at most ``timeout`` seconds, its output kept for when it fails."""
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    options["env"] = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile("w+") as output:
        try:
            subprocess.run(command, stdout=output, timeout=timeout, check=True, **options)
        except (OSError, subprocess.SubprocessError) as error:
            output.seek(0)
            lines = [line.strip() for line in output if line.strip()]
            raise NotPossible(lines[-1] if lines else str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
