"""The pages in which the peers run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from readystate_server.lab import Server

from .measure import ChromiumDevTools, DevTools

BOOT_TIMEOUT = 60.0
"""Seconds that a page may take until its peer is ready."""
TIMEOUT = 240.0
"""Seconds that one call may take."""


@dataclass(frozen=True)
class Peer:
    """One way of doing the work: a module in ``peers/``, and what runs it.

    Its functions are the kinds of work; all peers' functions of one name do the same.

    Attributes:
        options: What its functions are told beside what all peers are.
        page: Peers of one module share a page, except with others than this.
        wheel: Which of the package's wheels the page loads, by its name.
    """

    module: str
    label: str
    runtime: Literal["javascript", "pyodide", "pyscript"]
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    page: str = ""
    wheel: str = "readystate.whl"


@dataclass(frozen=True)
class Sends:
    """When messages were handed to the browser; times are in ms of the page's clock.

    Attributes:
        opened: The ``open`` event's time stamp; ``None`` before it, as the others.
        last: When the last ``send()`` had returned.
    """

    opened: float | None
    last: float | None


@dataclass(frozen=True)
class Frames:
    """The bytes of WebSocket frames, heads included, both ways together."""

    messages: int
    acknowledgements: int


class PeerPage:
    """A page in which one peer, or several of one module, are ready to work."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.options: Mapping[str, Any] = {}
        browser = page.context.browser
        is_chromium = browser is not None and browser.browser_type.name == "chromium"
        self.devtools = ChromiumDevTools(page) if is_chromium else DevTools()
        self.errors = 0
        """How many exceptions nobody has caught."""
        page.on("pageerror", self._on_error)

    def call(self, work: str, arguments: Mapping[str, Any]) -> Any:
        """Has the peer do ``work``, and returns its result.

        Raises:
            playwright.sync_api.Error: It failed, or took too long.
        """
        call = [TIMEOUT, work, {**arguments, **self.options}]
        return self._page.evaluate("values => call(...values)", call)

    def _on_error(self, _: object) -> None:
        self.errors += 1

    @contextmanager
    def watch_sends(self, count: int) -> Iterator[None]:
        """Notes when the ``count``-th message is sent over sockets made meanwhile.

        Each ``send()`` takes a little longer for that, the same for all peers.
        """
        self._page.evaluate("count => watchSends(count)", count)
        try:
            yield
        finally:
            self._page.evaluate("unwatch()")

    def sends(self) -> Sends:
        """What has been noted so far."""
        return Sends(**self._page.evaluate("sends"))

    @contextmanager
    def watch_frames(self) -> Iterator[None]:
        """Counts what goes over sockets made meanwhile."""
        self._page.evaluate("watchFrames()")
        try:
            yield
        finally:
            self._page.evaluate("unwatch()")

    def frames(self) -> Frames:
        """What has been counted so far."""
        return Frames(**self._page.evaluate("frames"))

    def allocated(self) -> float | None:
        """The bytes that Python has allocated; ``None`` where there is no Python."""
        size: int | None = self._page.evaluate("allocated()")
        return size

    def held(self) -> int | None:
        """How many objects Python and JavaScript hold of each other; ``None`` without Python."""
        count: int | None = self._page.evaluate("held()")
        return count


class Pages(ExitStack):
    """Pages that stay open until the end of a ``with`` statement."""

    def __init__(self, browser: Browser, server: Server) -> None:
        super().__init__()
        self._browser = browser
        self._server = server
        self._pages: dict[tuple[str, str, str], PeerPage] = {}

    def page(self, peer: Peer) -> PeerPage:
        """The page of ``peer``, opened when there is none yet.

        Raises:
            playwright.sync_api.Error: The peer cannot be loaded.
        """
        key = peer.runtime, peer.module, peer.page
        if key not in self._pages:
            self._pages[key] = self.enter_context(self.fresh(peer))
        page = self._pages[key]
        page.options = peer.options
        return page

    @contextmanager
    def fresh(self, peer: Peer) -> Iterator[PeerPage]:
        """A page of its own for ``peer``.

        Raises:
            playwright.sync_api.Error: The peer cannot be loaded.
        """
        with open_page(self._browser, self._server, peer) as page:
            page.options = peer.options
            yield page


@contextmanager
def open_page(browser: Browser, server: Server, peer: Peer) -> Iterator[PeerPage]:
    """A page of its own for ``peer``.

    Raises:
        playwright.sync_api.Error: The peer cannot be loaded.
    """
    context = browser.new_context()
    try:
        page = context.new_page()
        query = urlencode({"runtime": peer.runtime, "peer": peer.module, "wheel": peer.wheel})
        page.goto(f"{server.url}/tests/benchmarks/page/index.html?{query}")
        page.evaluate("seconds => ready(seconds)", BOOT_TIMEOUT)
        yield PeerPage(page)
    finally:
        context.close()
