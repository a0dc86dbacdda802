"""The pages in which the peers run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from server import Server

from .measure import DevTools

BOOT_TIMEOUT = 60.0
"""Seconds that a page may take until its peer is ready."""
TIMEOUT = 240.0
"""Seconds that one call may take."""


@dataclass(frozen=True)
class Peer:
    """One way of doing the work: a module in ``peers/``, and what runs it.

    Its functions are the kinds of work; all peers' functions of one name do the same.
    """

    module: str
    label: str
    runtime: Literal["javascript", "pyodide", "pyscript"]


class PeerPage:
    """A page in which one peer is ready to work."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.devtools = DevTools(page)

    def call(self, work: str, arguments: dict[str, Any]) -> Any:
        """Has the peer do ``work``, and returns its result.

        Raises:
            playwright.sync_api.Error: It failed, or took too long.
        """
        call = [TIMEOUT, work, arguments]
        return self._page.evaluate("values => call(...values)", call)

    def allocated(self) -> float | None:
        """The bytes that Python has allocated; ``None`` where there is no Python."""
        size: int | None = self._page.evaluate("allocated()")
        return size


@contextmanager
def open_page(browser: Browser, server: Server, peer: Peer) -> Iterator[PeerPage]:
    """A page of its own for ``peer``.

    Raises:
        playwright.sync_api.Error: The peer cannot be loaded.
    """
    context = browser.new_context()
    try:
        page = context.new_page()
        query = urlencode({"runtime": peer.runtime, "peer": peer.module})
        page.goto(f"{server.url}/tests/benchmarks/page/index.html?{query}")
        page.evaluate("seconds => ready(seconds)", BOOT_TIMEOUT)
        yield PeerPage(page)
    finally:
        context.close()
