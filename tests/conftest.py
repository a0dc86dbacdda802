"""The server and the browsers of all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from readystate_server.lab import Server
from readystate_server.lab.places import WEB

from .browsers import NAMES, launch_options

pytest_plugins = ["readystate_server.testing"]
collect_ignore = ["guide/project"]

TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Drives all browsers, unless ``--browser`` asks for one."""
    if not config.option.browser:
        config.option.browser = list(NAMES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick comes first; and where Playwright runs, asyncio.run() does not any more."""
    last = ("engines", "compat", "guide", "browser")

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(TESTS).parts[0]
        return last.index(folder) if folder in last else -1

    items.sort(key=place)


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_name: str
) -> dict[str, Any]:
    """The launch options that were found for this machine."""
    return {**browser_type_launch_args, **launch_options(browser_name)}


@pytest.fixture(scope="session")
def app_folder() -> Path:
    """The project's pages."""
    return WEB


@pytest.fixture(scope="session")
def app_folders() -> dict[str, Path]:
    """And the tests'."""
    return {"/tests": TESTS}


@pytest.fixture(scope="session")
def server(ws_server: Server) -> Server:
    """The project's server, with the package as it is now."""
    return ws_server
