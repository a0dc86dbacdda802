"""The page: what happens to it, and what is kept while another one is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js

from .errors import converted
from .listeners import NativeListener

__all__ = ["PageEvents", "restore", "save"]


class PageEvents:
    """Has a function called when the network, or the page itself, goes away or comes back.

    The function is given the type of the event, where the runtime has such events: ``"online"``,
    ``"offline"``, ``"resume"`` (of a frozen page), ``"pageshow"`` (from the back/forward cache),
    ``"pagehide"``, ``"visible"`` and ``"hidden"`` (the tab is shown, or is not).
    """

    __slots__ = ("_function", "_listeners")

    def __init__(self, function: Callable[[str], None]) -> None:
        self._function = function
        self._listeners = []
        for target, types in (
            (js.globalThis, ("online", "offline", "pageshow", "pagehide")),
            (getattr(js, "document", None), ("resume", "visibilitychange")),
        ):
            if hasattr(target, "addEventListener"):
                listener = NativeListener(target, self._on_event)
                self._listeners.append(listener)
                for type in types:
                    listener.listen(type)

    @property
    def is_online(self) -> bool:
        """Whether there may be a network; ``False`` is certain."""
        return bool(getattr(getattr(js, "navigator", None), "onLine", True))

    @property
    def is_hidden(self) -> bool:
        """Whether the page is in a tab that is not shown."""
        return bool(getattr(getattr(js, "document", None), "hidden", False))

    def _on_event(self, event: Any) -> None:
        type = str(event.type)
        if type == "visibilitychange":
            self._function("visible" if js.document.visibilityState == "visible" else "hidden")
        # Every page is shown once that did not come from the cache.
        elif type != "pageshow" or event.persisted:
            self._function(type)

    def destroy(self) -> None:
        """Ceases to listen. Not to be called from the function."""
        for listener in self._listeners:
            listener.destroy()


@converted
def save(key: str, text: str | None) -> None:
    """Keeps ``text`` under ``key`` for this tab, whatever page it shows; ``None``: nothing.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        SecurityError: The page may keep nothing, as in a sandboxed frame.
        QuotaExceededError: The browser does not keep so much.
    """
    storage = _session_storage()
    if text is None:
        storage.removeItem(key)
    else:
        storage.setItem(key, text)


@converted
def restore(key: str) -> str | None:
    """What is kept under ``key`` for this tab; ``None``: nothing.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        SecurityError: The page may keep nothing, as in a sandboxed frame.
    """
    text = _session_storage().getItem(key)
    return text if isinstance(text, str) else None


def _session_storage() -> Any:
    storage = getattr(js, "sessionStorage", None)
    if storage is None:
        raise RuntimeError(
            "there is no sessionStorage here: it is the page's, and not to be had in a worker or "
            "outside browsers"
        )
    return storage
