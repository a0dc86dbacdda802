"""The code of the six ways in PyScript's editor, to be changed and run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import js
from lab import source
from lab_server import endpoint
from pyodide.ffi import create_proxy
from ways import WAYS

NAMES = ("Delivery", "Event", "SendQueue", "WebSocket")
"""What the ways use of the package."""
FRAME = """\
from readystate import {names}

ws = WebSocket("{url}")
ws.onmessage = lambda event: print("The server has echoed", event.data)
{given}
{code}
"""
# What a way takes beside the socket.
GIVEN = {"messages": '\nmessages = ["one", "two", "three"]\n'}

# The last run's socket, which would otherwise be there until the page is left.
BEFORE = "isinstance(globals().get('ws'), __import__('readystate').WebSocket) and ws.close()"


def program(way: Callable[..., Any]) -> str:
    """A program that sends as ``way`` does."""
    code = source(way).replace("return ", "deliveries = ")
    parameters = inspect.signature(way).parameters
    program = FRAME.format(
        names=", ".join(name for name in NAMES if name in code or name == "WebSocket"),
        url=endpoint("ws/echo", delay=0.3),
        given="".join(text for name, text in GIVEN.items() if name in parameters),
        code=code,
    )
    return f"import asyncio\n\n{program}" if "asyncio." in code else program


def config() -> str:
    """What PyScript starts this page with, without the page's own files."""
    own = json.loads(js.document.querySelector("script[type=py]").getAttribute("config"))
    wheels = {url: folder for url, folder in own["files"].items() if url.endswith(".whl")}
    return json.dumps({"interpreter": own["interpreter"], "files": wheels})


NOTHING = create_proxy(lambda: None)


class Editor:
    """The section of the page. PyScript makes the editor, once a way has been chosen."""

    def __init__(self, section: Any) -> None:
        self.section = section
        self.place = section.querySelector(".editor")
        self.said = section.querySelector("[role=status]")
        self.buttons = {str(b.dataset.way): b for b in section.querySelectorAll("[data-way]")}
        self.script: Any = None
        self.output: Any = None

    def main(self) -> None:
        """Makes it work."""
        on_choice = create_proxy(self.on_choice)
        for button in self.buttons.values():
            button.addEventListener("click", on_choice)
            button.disabled = False
        # At each editor that PyScript has made: after a program has been stopped it makes another.
        self.place.addEventListener("py-editor", create_proxy(self.on_editor))
        self.place.addEventListener("py-editor:done", create_proxy(self.on_done))

    def on_choice(self, event: Any) -> None:
        chosen = event.currentTarget
        for button in self.buttons.values():
            button.setAttribute("aria-pressed", str(button.isSameNode(chosen)).lower())
        [way] = [way for way in WAYS if way.__name__ == chosen.dataset.way]
        if self.script is not None:
            self.script.code = program(way)
            self.output.textContent = ""
            return
        # Room for the editor, at once.
        self.section.dataset.state = "loading"
        self.script = js.document.createElement("script")
        self.script.type = "py-editor"
        self.script.setAttribute("env", "try_it")
        self.script.setAttribute("config", config())
        self.script.setAttribute("onbeforerun", BEFORE)
        self.script.dataset.run = "Run"
        self.script.dataset.stop = "Stop"
        self.script.textContent = program(way)
        self.place.replaceChildren(self.script)

    def on_editor(self, event: Any) -> None:
        self.script = event.target
        box = self.script.nextElementSibling
        area, button, self.output = map(
            box.querySelector,
            (".py-editor-input", ".py-editor-run-button", ".py-editor-output"),
        )
        label(area, role="group", aria_label="Code")
        # CodeMirror gives its text field no name, and scrolls it by the keyboard only from within.
        content = area.querySelector("div").shadowRoot.querySelector(".cm-content")
        label(content, aria_label="Code", tabindex="0")
        # PyScript's names for them, and it takes the focus from the button.
        button.removeAttribute("aria-label")
        button.blur = NOTHING
        button.addEventListener("click", create_proxy(self.on_run))
        label(self.output, role="log", aria_label="Output", tabindex="0")
        # PyScript inserts text as markup: what looks like a tag, such as <module>, would be one.
        self.output.insertAdjacentHTML = create_proxy(self.on_error)
        self.section.dataset.state = "ready"

    def on_error(self, _: str, markup: str) -> None:
        text = markup.removeprefix("<span style='color:red'>").removesuffix("</span>\n")
        problem = js.document.createElement("span")
        problem.className = "problem"
        problem.textContent = f"{text}\n"
        self.output.append(problem)
        self.output.scrollTop = self.output.scrollHeight

    def on_run(self, _: Any) -> None:
        self.section.dataset.state = "running"
        self.said.textContent = (
            "Running. The first time Python has to start in a worker \N{HORIZONTAL ELLIPSIS}"
        )

    def on_done(self, _: Any) -> None:
        self.section.dataset.state = "done"
        self.said.textContent = "The program has ended; its handlers may still be called."


def label(element: Any, **attributes: str) -> None:
    for name, value in attributes.items():
        element.setAttribute(name.replace("_", "-"), value)


def main() -> None:
    """Makes the section of the page work."""
    Editor(js.document.getElementById("try_it")).main()
