"""The page's events and storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js

from .errors import converted
from .listeners import NativeListener
from .timers import is_hidden

__all__ = ["PageEvents", "restore", "save"]


class PageEvents:
    """Calls a function when the network or the page goes away or comes back.

    With ``"online"``, ``"offline"``, ``"resume"`` (of a frozen page), ``"pageshow"`` (from the
    back/forward cache), ``"pagehide"``, ``"visible"`` or ``"hidden"``, where the runtime has these
    events.
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
        return is_hidden()

    def _on_event(self, event: Any) -> None:
        type = str(event.type)
        if type == "visibilitychange":
            self._function("visible" if js.document.visibilityState == "visible" else "hidden")
        # Other page loads fire this event too.
        elif type != "pageshow" or event.persisted:
            self._function(type)

    def destroy(self) -> None:
        """Stops listening. Must not be called by the function."""
        for listener in self._listeners:
            listener.destroy()


@converted
def save(key: str, text: str | None) -> None:
    """Stores ``text`` under ``key`` for all pages of this tab; ``None`` removes it.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        SecurityError: The page must not use it, as in a sandboxed frame.
        QuotaExceededError: It is full.
    """
    storage = _session_storage()
    if text is None:
        storage.removeItem(key)
    else:
        storage.setItem(key, text)


@converted
def restore(key: str) -> str | None:
    """Returns the text stored under ``key`` for this tab, or ``None``.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
        SecurityError: The page must not use it, as in a sandboxed frame.
    """
    text = _session_storage().getItem(key)
    return text if isinstance(text, str) else None


def _session_storage() -> Any:
    storage = getattr(js, "sessionStorage", None)
    if storage is None:
        raise RuntimeError(
            "there is no sessionStorage here: only pages have it, not workers or programs "
            "outside browsers"
        )
    return storage
