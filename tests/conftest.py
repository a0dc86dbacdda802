"""The server and the browsers of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from readystate.server import Server, wheel

from .browsers import NAMES, launch_options

TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Drives all browsers, unless ``--browser`` asks for one."""
    if not config.option.browser:
        config.option.browser = list(NAMES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick comes first; and where Playwright runs, asyncio.run() does not any more."""
    last = ("engines", "browser")

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
def server() -> Iterator[Server]:
    """The project's server, with the package as it is now, and the tests' pages at ``/tests/``."""
    wheel.build()
    with Server(folders={"/tests": TESTS}) as server:
        yield server
