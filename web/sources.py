"""The sources of the examples, shown in the page once they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy
from pyodide.http import pyfetch


async def show(details: Any) -> None:
    """Puts the source into the element, unless it is there already."""
    place = details.querySelector("code")
    if not details.open or details.hasAttribute("data-shown"):
        return
    url = details.parentElement.querySelector("a").href
    try:
        response = await pyfetch(url)
        response.raise_for_status()
        place.textContent = await response.string()
    except OSError as error:
        place.textContent = f"{url} could not be loaded: {error}"
    else:
        details.dataset.shown = ""


def main() -> None:
    """Makes the section of the page work."""
    loading: set[asyncio.Future[None]] = set()

    def load(details: Any) -> None:
        task = asyncio.ensure_future(show(details))
        loading.add(task)
        task.add_done_callback(loading.discard)

    on_toggle = create_proxy(lambda event: load(event.currentTarget))
    for details in js.document.querySelectorAll("#examples details"):
        details.addEventListener("toggle", on_toggle)
        load(details)
