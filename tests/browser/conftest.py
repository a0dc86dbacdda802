"""A page in which Python runs, once a browser and place; and a server for what fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from readystate.server import Server

from .in_browser import ROOT, Runtime, open_runtime


@pytest.fixture(scope="module")
def failing(browser: Browser, server: Server) -> Iterator[Server]:
    """A server of its own, as browsers delay connections to one where many have failed."""
    with Server(folders={"/tests": ROOT / "tests"}) as server:
        yield server


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
