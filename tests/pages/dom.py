"""As much of a browser as the pages' Python asks for, made of the page's own HTML."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from readystate._host import NativeError
from readystate._host.cpython.events import _ORIGIN

VOID = {"br", "hr", "img", "input", "link", "meta"}
PART = re.compile(r"#([\w-]+)|\.([\w-]+)|\[([\w-]+)(?:=([^\]]*))?\]|:(checked)|([\w-]+|\*)")


class Dataset:
    """The data-... attributes of an element, as attributes."""

    _attributes: dict[str, str]

    def __init__(self, attributes: dict[str, str]) -> None:
        object.__setattr__(self, "_attributes", attributes)

    def __getattr__(self, name: str) -> str:
        try:
            return str(self._attributes[f"data-{name}"])
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> None:
        self._attributes[f"data-{name}"] = str(value)


class Element:
    """A node with a name, attributes and children, which are elements and text."""

    def __init__(self, name: str, attributes: dict[str, str] | None = None) -> None:
        self.name = name
        self.attributes = attributes or {}
        self.children: list[Element | str] = []
        self.parentElement: Element | None = None
        self.dataset: Any = Dataset(self.attributes)
        self.listeners: list[tuple[str, Callable[[Any], object]]] = []
        self.value: Any = self.attributes.get("value", "")
        self.checked = "checked" in self.attributes
        self.disabled = "disabled" in self.attributes
        self.hidden = "hidden" in self.attributes

    @property
    def textContent(self) -> str:  # noqa: N802
        return "".join(c if isinstance(c, str) else c.textContent for c in self.children)

    @textContent.setter
    def textContent(self, text: str) -> None:  # noqa: N802
        self.children = [text]

    def append(self, *children: Element | str) -> None:
        for child in children:
            self.children.append(child)
            if isinstance(child, Element):
                child.parentElement = self

    def replaceChildren(self, *children: Element | str) -> None:  # noqa: N802
        self.children.clear()
        self.append(*children)

    def getAttribute(self, name: str) -> str | None:  # noqa: N802
        return self.attributes.get(name)

    def setAttribute(self, name: str, value: object) -> None:  # noqa: N802
        self.attributes[name] = str(value)

    def removeAttribute(self, name: str) -> None:  # noqa: N802
        self.attributes.pop(name, None)

    def addEventListener(self, type: str, listener: Callable[[Any], object]) -> None:  # noqa: N802
        self.listeners.append((type, listener))

    def dispatch(self, type: str, target: Element | None = None) -> None:
        """Calls the listeners of a type."""
        event = SimpleNamespace(type=type, target=target or self, currentTarget=self)
        for name, listener in list(self.listeners):
            if name == type:
                listener(event)

    def click(self) -> None:
        """Clicks, unless the button is disabled."""
        if not self.disabled:
            self.dispatch("click")

    def choose(self, value: object) -> None:
        """Sets a slider or a field."""
        self.value = value
        self.dispatch("input")

    def all(self) -> Iterator[Element]:
        """The elements below."""
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.all()

    def querySelectorAll(self, selectors: str) -> list[Element]:  # noqa: N802
        chains = [chain.split() for chain in selectors.split(",")]
        return [each for each in self.all() if any(each.matches(chain) for chain in chains)]

    def querySelector(self, selectors: str) -> Any:  # noqa: N802
        return next(iter(self.querySelectorAll(selectors)), None)

    def matches(self, chain: list[str]) -> bool:
        """Whether this is what the last selector means, below what the others mean."""
        if not self._is(chain[-1]):
            return False
        above = self.parentElement
        while chain[:-1] and above is not None:
            if above.matches(chain[:-1]):
                return True
            above = above.parentElement
        return not chain[:-1]

    def _is(self, selector: str) -> bool:
        for id, kind, attribute, value, checked, name in PART.findall(selector):
            has = self.attributes
            if (
                (id and has.get("id") != id)
                or (kind and kind not in has.get("class", "").split())
                or (attribute and attribute not in has)
                or (value and has[attribute] != value.strip("\"'"))
                or (checked and not self.checked)
                or (name not in ("", "*", self.name))
            ):
                return False
        return True


class Reader(HTMLParser):
    """Makes elements of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self.place = Element("#document")
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.place.append(element)
        if tag not in VOID:
            self.place = element

    def handle_endtag(self, tag: str) -> None:
        place: Element | None = self.place
        while place is not None and place.name != tag:
            place = place.parentElement
        if place is not None and place.parentElement is not None:
            self.place = place.parentElement

    def handle_data(self, data: str) -> None:
        self.place.append(data)


class URL:
    """A URL of the server, of which the pages set the protocol and the query."""

    def __init__(self, url: str, base: str = "") -> None:
        parts = urlsplit(urljoin(base, url))
        self.protocol = f"{parts.scheme}:"
        self._place = parts.netloc, parts.path or "/"
        self._query = dict(parse_qsl(parts.query))
        self.searchParams = SimpleNamespace(set=self._query.__setitem__)

    @property
    def href(self) -> str:
        return urlunsplit((self.protocol[:-1], *self._place, urlencode(self._query), ""))


class Response:
    """What a server has answered."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    async def json(self) -> Any:
        return json.loads(self._body)


async def fetch(url: str, method: str = "GET") -> Response:
    """As pyodide.http.pyfetch()."""

    def ask() -> Response:
        request = urllib.request.Request(url, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return Response(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.read())

    return await asyncio.to_thread(ask)


class FakePage:
    """The modules of a page at an address, and what a visitor does there.

    Attributes:
        document: The elements.
        errors: What was reported that no other code has caught.
    """

    def __init__(self, html: str, url: str) -> None:
        self.url = url
        self.document = Reader(html).root
        self.errors: list[str] = []
        self.listeners: list[tuple[str, Callable[[Any], object]]] = []
        self.less_motion = False
        document: Any = self.document
        document.baseURI = url
        document.createElement = Element
        document.createElementNS = lambda _, name: Element(name)
        document.getElementById = lambda id: document.querySelector(f"#{id}")
        query = dict(parse_qsl(urlsplit(url).query))
        self.js: Any = ModuleType("js")
        vars(self.js).update(
            document=document,
            # The clock of the events.
            performance=SimpleNamespace(now=lambda: (time.perf_counter() - _ORIGIN) * 1000),
            matchMedia=lambda _: SimpleNamespace(matches=self.less_motion),
            URL=SimpleNamespace(new=URL),
            URLSearchParams=SimpleNamespace(new=lambda _: query),
            location=SimpleNamespace(
                protocol=f"{urlsplit(url).scheme}:",
                search=f"?{urlsplit(url).query}",
                origin=url.partition("/?")[0].rstrip("/"),
            ),
            addEventListener=lambda *listener: self.listeners.append(listener),
            Error=SimpleNamespace(new=str),
            reportError=self.errors.append,
        )

    def modules(self) -> dict[str, ModuleType]:
        """Those that a browser has, and CPython has not."""
        pyodide, ffi, http = (ModuleType(f"pyodide{name}") for name in ("", ".ffi", ".http"))
        vars(ffi).update(create_proxy=lambda value: value, JsException=NativeError)
        vars(http).update(pyfetch=fetch)
        vars(pyodide).update(ffi=ffi, http=http, __version__="0")
        return {"js": self.js, "pyodide": pyodide, "pyodide.ffi": ffi, "pyodide.http": http}

    def post(self, data: object, origin: str | None = None) -> None:
        """A window posts a message; None: one of the page's own origin."""
        event = SimpleNamespace(data=data, origin=origin or self.js.location.origin)
        for type, listener in self.listeners:
            if type == "message":
                listener(event)

    def one(self, selector: str) -> Any:
        """The element of the selector."""
        [found] = self.document.querySelectorAll(selector)
        return found
