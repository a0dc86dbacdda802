"""Which server the page talks to: the one that it comes from, or the one that ?server= names.

An address is where the project's server is; if no such server answers there, it is the URL of a
WebSocket of some other.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import js
from pyodide.ffi import JsException
from pyodide.http import pyfetch

PATIENCE = 10.0
"""Seconds that a server may take to tell whether it is the project's."""
LOOPBACK = re.compile(r"localhost|.+\.localhost|127(\.\d+){3}|\[::1\]")


class AddressError(Exception):
    """What ?server= names is no server's address, or none that this page may use."""


class ServerError(Exception):
    """The project's server is not there, or not as it should be."""


def read(text: str) -> str:
    """The WebSocket URL that ``text``, a value of ?server=, means on this page.

    Raises:
        AddressError: It means none, or one that the browser would not connect to.
    """
    try:
        url = js.URL.new(text.strip())
    except JsException:
        url = None
    # http: is what the project's server prints; "localhost:8000" is a URL with a strange scheme.
    if url is None or url.protocol not in ("ws:", "wss:", "http:", "https:"):
        raise AddressError(f"{text!r} is no address of a server: give one as ws://127.0.0.1:8000.")
    if url.hash:
        raise AddressError(
            f"{text!r} has a fragment, which no WebSocket may have: leave out {url.hash}."
        )
    if url.username or url.password:
        raise AddressError(
            f"{text!r} has a user or a password, which a page cannot use: leave them out."
        )
    url.protocol = url.protocol.replace("http", "ws")
    is_mixed = js.location.protocol == "https:" and url.protocol == "ws:"
    if is_mixed and not LOOPBACK.fullmatch(url.hostname):
        raise AddressError(
            f"{text!r} is not encrypted, and this page came over https:, where browsers forbid "
            "that (mixed content). Give a wss: address, or open the page over http:."
        )
    return str(url.href)


class Address:
    """Where a server is."""

    def __init__(self, url: str, *, is_project: bool = True) -> None:
        """``url`` is its folder, or if it is not the project's the one WebSocket that it has."""
        self.url = url
        self.is_project = is_project

    def endpoint(self, path: str, **query: object) -> str:
        """The URL of a WebSocket; a server that is not the project's has one only."""
        if not self.is_project:
            return self.url
        url = js.URL.new(path, self.url)
        url.protocol = url.protocol.replace("http", "ws")
        for name, value in query.items():
            url.searchParams.set(name, str(value))
        return str(url.href)

    def resource(self, path: str) -> str:
        """The URL of what the project's server tells over HTTP."""
        url = js.URL.new(path, self.url)
        url.protocol = url.protocol.replace("ws", "http")
        return str(url.href)


address = Address(js.document.baseURI)


def endpoint(path: str, **query: object) -> str:
    """The URL of one of the WebSockets of the page's server."""
    return address.endpoint(path, **query)


def resource(path: str) -> str:
    """The URL of what the page's server tells over HTTP."""
    return address.resource(path)


async def ask(path: str, *, statuses: tuple[int, ...] = (200,), **options: Any) -> Any:
    """What the server answers, with one of the statuses.

    Raises:
        ServerError: Nothing, or something else.
    """
    url = resource(path)
    name = url.partition("?")[0]
    try:
        response = await pyfetch(url, **options)
    except OSError as error:
        raise ServerError(f"{name} is out of reach: {error}.") from error
    if response.status not in statuses:
        raise ServerError(f"{name} answered {response.status}.")
    try:
        return await response.json()
    except ValueError as error:
        raise ServerError(f"{name} answered something else than JSON.") from error


async def find(text: str) -> None:
    """Makes the server that ``text`` names the page's.

    Raises:
        AddressError: It names none.
        ServerError: It is not the project's, as far as this page can know.
    """
    global address
    url = read(text)
    address = Address(re.sub(r"/?(\?.*)?$", "/", url, count=1))
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await ask("journal/")
        if "ids" not in answer:
            raise ServerError(f"{resource('journal/')} answered something else than a journal.")
    except (TimeoutError, ServerError) as error:
        address = Address(url, is_project=False)
        raise ServerError(str(error) or f"{url} has not answered for {PATIENCE:g} s.") from error


async def main() -> bool:
    """Finds the page's server and says in the page which one that is.

    Returns whether it is there for what needs the project's.
    """
    field, talks_to, bad, other, said = map(
        js.document.querySelector,
        ("#server input", "#talks-to", "#bad-address", "#other-server", "#side_by_side .said"),
    )
    text = js.URLSearchParams.new(js.location.search).get("server") or ""
    field.value = text
    is_there = True
    if text:
        said.textContent = f"Looking for the server at {text} \N{HORIZONTAL ELLIPSIS}"
        try:
            await find(text)
        except AddressError as error:
            bad.querySelector("p").textContent = str(error)
            bad.hidden = False
        except ServerError as error:
            other.querySelector("p").textContent = str(error)
            other.querySelector("pre").textContent += f" --allow-origin {js.location.origin}"
            other.hidden = False
            said.textContent = f"This does not run here: the page cannot use a journal of {text}."
            js.document.getElementById("lab").setAttribute("data-state", "failed")
            is_there = False
    talks_to.textContent = endpoint(".")
    return is_there
