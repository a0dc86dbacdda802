"""What a WebSocket raises in this browser, called here and now, beside what the standard says."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import js
from lab import source
from lab_server import endpoint
from pyodide.ffi import JsException, create_proxy

import readystate
from readystate import (
    DOMException,
    DOMSyntaxError,
    Event,
    InvalidAccessError,
    InvalidStateError,
    WebSocket,
)

PATIENCE = 10.0
"""Seconds for the socket to open; without, the last call finds it CONNECTING, which is as good."""
NOTHING = "no exception"

# What a user agent calls itself; the first that is found counts, as most claim to be others too.
BROWSERS = {
    "Edge": r"Edg/([\d.]+)",
    "Opera": r"OPR/([\d.]+)",
    "Firefox": r"Firefox/([\d.]+)",
    "Chromium": r"Chrome/(\d+)",
    "Safari": r"Version/([\d.]+).* Safari/",
}


def element(name: str, *children: Any, **attributes: str) -> Any:
    """An element of the page; children are elements and text."""
    made = js.document.createElement(name)
    for attribute, value in attributes.items():
        made.setAttribute(attribute.strip("_").replace("_", "-"), value)
    made.append(*children)
    return made


@dataclass(frozen=True)
class Outcome:
    """What a call came to.

    The class in Python; name, code and message as the browser has them, or ``bufferedAmount``.
    The package raises some of what a browser should and does not: that is not ``native``.
    """

    kind: str
    name: str = ""
    code: int | None = None
    message: str = ""
    amount: str = ""
    is_native: bool = True

    @property
    def details(self) -> str:
        """The name and the code."""
        code = "no code" if self.code is None else f"code {self.code}"
        return f"name {self.name}, {code}" if self.name else ""

    def cell(self, words: str, *, differs: bool = False) -> Any:
        """It in the table, with a sentence."""
        mark = [element("strong", "differs", class_="mark")] if differs else []
        if not self.is_native:
            words = f"{words} (said by readystate: the browser itself threw nothing)"
        lines = [element("code", self.details or self.amount), element("p", words)]
        return element("td", element("b", self.kind), *mark, *lines)


@dataclass(frozen=True)
class Case:
    """A call, and what the standard has it raise.

    Attributes:
        call: It gets the server's URL and a socket that is CONNECTING; its body is shown.
        raises: The exception's class; None: nothing, and the socket has been OPEN before.
        why: The standard's reason, in a few words.
        amount: The ``bufferedAmount`` afterwards, if nothing is raised.
    """

    call: Callable[[str, WebSocket], None]
    raises: type[Exception] | None
    why: str
    amount: int = 0

    @property
    def standard(self) -> Outcome:
        kind = self.raises
        if kind is None:
            return Outcome(NOTHING, amount=f"bufferedAmount is {self.amount}")
        if issubclass(kind, DOMException):
            return Outcome(kind.__name__, kind.name, kind.code)
        return Outcome(kind.__name__, kind.__name__)

    def run(self, url: str, ws: WebSocket) -> Outcome:
        """Calls, and tells what came of it."""
        try:
            self.call(url, ws)
        except Exception as error:
            # The browser's own, before the package has evened anything out.
            thrown = getattr(error, "js_error", None)
            if thrown is None and isinstance(error.__cause__, JsException):
                thrown = error.__cause__
            is_native = thrown is not None
            thrown = thrown if is_native else error
            name = getattr(thrown, "name", type(error).__name__)
            code = getattr(thrown, "code", None)
            message = str(getattr(thrown, "message", error))
            return Outcome(type(error).__name__, name, code, message, is_native=is_native)
        return Outcome(NOTHING, amount=f"bufferedAmount is {ws.bufferedAmount}")

    def differs(self, seen: Outcome) -> bool:
        """Whether it is not as the standard has it; the words of a message are the browser's."""
        standard = self.standard
        if seen.kind == NOTHING:
            return seen != standard
        return not seen.is_native or (seen.kind, seen.code) != (standard.kind, standard.code)


def no_host(_: str, __: WebSocket) -> None:
    WebSocket("ws://")


def other_scheme(_: str, __: WebSocket) -> None:
    WebSocket("ftp://127.0.0.1/")


def fragment(url: str, _: WebSocket) -> None:
    WebSocket(url + "#fragment")


def space(url: str, _: WebSocket) -> None:
    WebSocket(url, "a b")


def twice(url: str, _: WebSocket) -> None:
    WebSocket(url, ["json", "json"])


def early(_: str, ws: WebSocket) -> None:
    ws.send("too early")


def code_0(_: str, ws: WebSocket) -> None:
    ws.close(0)


def code_999(_: str, ws: WebSocket) -> None:
    ws.close(999)


def code_1001(_: str, ws: WebSocket) -> None:
    ws.close(1001)


def huge_code(_: str, ws: WebSocket) -> None:
    ws.close(2**70)


def long_reason(_: str, ws: WebSocket) -> None:
    ws.close(3000, "x" * 124)


def late(_: str, ws: WebSocket) -> None:
    ws.close()
    ws.send("four")
    ws.send("five!")


CASES = (
    Case(no_host, DOMSyntaxError, "The URL has no host."),
    Case(other_scheme, DOMSyntaxError, "The scheme is none of ws, wss, http and https."),
    Case(fragment, DOMSyntaxError, "The URL of a WebSocket has no fragment."),
    Case(space, DOMSyntaxError, "A subprotocol is one word."),
    Case(twice, DOMSyntaxError, "No subprotocol may be there twice."),
    Case(early, InvalidStateError, "The socket is CONNECTING."),
    Case(code_0, InvalidAccessError, "0 is given, and not “no code”."),
    Case(code_999, InvalidAccessError, "A page may give 1000, and 3000 to 4999."),
    Case(code_1001, InvalidAccessError, "“Going away” is for the browser to say."),
    Case(huge_code, TypeError, "It is a BigInt, of which Web IDL makes no number."),
    Case(long_reason, DOMSyntaxError, "A reason has 123 bytes at most."),
    Case(late, None, "The socket is CLOSING: both messages are discarded, and counted.", 9),
)


async def run(cases: Sequence[Case]) -> AsyncIterator[tuple[Case, Outcome]]:
    """Runs the cases, one after the other, with one socket."""
    url = endpoint("ws/echo")
    ws = WebSocket(url)
    decided = asyncio.Event()

    def decide(_: Event) -> None:
        decided.set()

    for type in ("open", "close"):
        ws.addEventListener(type, decide)
    try:
        for case in cases:
            if case.raises is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(decided.wait(), PATIENCE)
            yield case, case.run(url, ws)
    finally:
        ws.close()


def browser(user_agent: str) -> str:
    """The browser's name and version."""
    for name, pattern in BROWSERS.items():
        if found := re.search(pattern, user_agent):
            return f"{name} {found[1]}"
    return user_agent


def markdown(name: str, found: Sequence[tuple[Case, Outcome]]) -> str:
    """The table, to be pasted into an issue."""
    head = ("Call", "By the standard", "Class", "Name", "Code", f"Message of {name}")
    rows = [head, ("---",) * len(head)]
    for case, seen in found:
        standard = case.standard
        code = "; ".join(source(case.call).splitlines())
        by = " ".join(filter(None, (standard.kind, standard.details, standard.amount)))
        kind = seen.kind + " **differs**" * case.differs(seen)
        number = "" if seen.code is None else str(seen.code)
        rows.append((f"`{code}`", by, kind, seen.name, number, seen.message or seen.amount))
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    title = f"### What a WebSocket raises in {name}, with readystate {readystate.__version__}"
    return "\n".join([title, "", *lines, ""])


def row(case: Case, seen: Outcome) -> Any:
    """A row of the table."""
    differs = case.differs(seen)
    call = element("th", element("code", source(case.call)), scope="row")
    made = element(
        "tr", call, case.standard.cell(case.why), seen.cell(seen.message, differs=differs)
    )
    made.toggleAttribute("data-differs", differs)
    return made


class Table:
    """The section of the page."""

    def __init__(self, section: Any) -> None:
        self.section = section
        self.body = section.querySelector("tbody")
        self.said = section.querySelector("[role=status]")
        self.start = section.querySelector("#run-exceptions")
        self.copy = section.querySelector("#copy-exceptions")
        self.text = section.querySelector("textarea")
        self.name = browser(str(js.navigator.userAgent))
        self.found: list[tuple[Case, Outcome]] = []
        self.clicked = asyncio.Event()
        self.copying: asyncio.Future[None] | None = None

    async def main(self) -> None:
        """Runs the cases at each click."""
        for place in self.section.querySelectorAll("[data-field=browser]"):
            place.textContent = self.name
        self.start.addEventListener("click", create_proxy(lambda _: self.clicked.set()))
        self.copy.addEventListener("click", create_proxy(self.on_copy))
        self.start.disabled = False
        while True:
            await self.clicked.wait()
            await self.run()
            self.clicked.clear()

    async def run(self) -> None:
        self.start.setAttribute("aria-disabled", "true")
        self.copy.setAttribute("aria-disabled", "true")
        self.section.dataset.state = "running"
        self.said.textContent = ""
        self.found = []
        self.body.replaceChildren()
        self.section.querySelector("#exceptions-table").hidden = False
        try:
            async for case, seen in run(CASES):
                self.found.append((case, seen))
                self.body.append(row(case, seen))
        except DOMException as error:
            self.said.textContent = f"{endpoint('ws/echo')} cannot be used: {error}"
            self.section.dataset.state = "failed"
        else:
            count = sum(case.differs(seen) for case, seen in self.found)
            how = f"{count} of them not" if count else "all of them"
            self.said.textContent = f"{len(self.found)} calls, {how} as the standard has it."
            self.section.dataset.state = "done"
            self.copy.setAttribute("aria-disabled", "false")
        self.start.setAttribute("aria-disabled", "false")

    def on_copy(self, _: Any) -> None:
        if self.copy.getAttribute("aria-disabled") != "true":
            self.copying = asyncio.ensure_future(self.copy_markdown())

    async def copy_markdown(self) -> None:
        text = markdown(self.name, self.found)
        try:
            await js.navigator.clipboard.writeText(text)
        except (AttributeError, JsException):
            # There is none on a page that is not secure; or the browser, or the visitor, refuses.
            self.text.value = text
            self.text.hidden = False
            self.text.focus()
            self.text.select()
            self.said.textContent = "The clipboard is not allowed: copy the Markdown from below."
        else:
            self.text.hidden = True
            self.said.textContent = "Copied as Markdown."


async def main() -> None:
    """Makes the section of the page work, for as long as that is shown."""
    await Table(js.document.getElementById("exceptions")).main()
