"""A page in which Python runs, once a browser and place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, ConsoleMessage

from server import Server

from .in_browser import Runtime

# Browsers write these for each connection that fails, as some do on purpose in the tests.
_EXPECTED = ("WebSocket connection to", "Firefox can\u2019t establish", "The connection to")


@contextmanager
def open_runtime(
    browser: Browser, server: Server, place: str
) -> Iterator[tuple[Runtime, list[str]]]:
    """A runtime in a new page, and what is written to its console as errors and warnings."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            complaints.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}/tests/browser/runtime.html?place={place}")
    page.wait_for_function("globalThis.callPython")
    yield Runtime(page), complaints
    context.close()


@pytest.fixture(scope="session", params=["page", "worker"])
def booted(
    browser: Browser, server: Server, request: pytest.FixtureRequest
) -> Iterator[tuple[Runtime, list[str]]]:
    """One runtime for all tests that run in one, in each browser and place."""
    with open_runtime(browser, server, request.param) as opened:
        yield opened


@pytest.fixture
def runtime(booted: tuple[Runtime, list[str]]) -> Iterator[Runtime]:
    """Python in a page or in a worker; the test fails if anything complains on the console."""
    runtime, complaints = booted
    complaints.clear()
    yield runtime
    assert complaints == []
