"""Fixes how sockets that never were open end in some engines."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import create_once_callable, create_proxy

from .values import options, tag

__all__ = ["Endings"]


class Endings:
    """Makes a socket that never was open end as the standard requires.

    By the standard it is CLOSED when ``error`` fires, and ``close`` follows, neither before
    ``close()`` has returned. Node.js 20 keeps its state and fires no ``close``; Node.js 20 to 26
    fire during ``close()``, and leave the socket CLOSING.
    """

    def __init__(self) -> None:
        # One proxy for all sockets, never destroyed.
        self._proxy = create_proxy(self._on_event)
        # The CONNECTING socket whose close() is being called, and whether that fired an event.
        self._closing: Any = None
        self._is_early = False
        # The sockets that are ended here, whose state is overridden.
        self._ended = js.WeakSet.new()
        # The socket to which our own events are being dispatched.
        self._ending: Any = None

    def watch(self, native: Any) -> None:
        """Listens to a new socket, before all others, until it is open.

        Listening longer would keep an unreferenced socket alive.
        """
        for type in ("open", "error", "close"):
            native.addEventListener(type, self._proxy)

    def _ignore(self, native: Any) -> None:
        for type in ("open", "error", "close"):
            native.removeEventListener(type, self._proxy)

    def close(self, native: Any, *arguments: Any) -> None:
        """Calls the native ``close()``."""
        if native.readyState != 0:
            native.close(*arguments)
            return
        self._closing, self._is_early = native, False
        try:
            native.close(*arguments)
        finally:
            self._closing = None
        if self._is_early:
            self._set_state(native, 2)
            self._end_soon(native, "error", "close")

    def _on_event(self, event: Any) -> None:
        native = event.target
        if event.type == "open":
            if native.readyState == 1:  # Not an event from a script.
                self._ignore(native)
        elif self._closing is not None and native == self._closing:
            self._is_early = True
            event.stopImmediatePropagation()
        elif self._ended.has(native):
            if self._ending is None or native != self._ending:
                event.stopImmediatePropagation()
        # A script can dispatch events too, but no browser's own are of this class.
        elif event.type == "error" and native.readyState == 0 and tag(event) == "ErrorEvent":
            self._set_state(native, 3)
            self._end_soon(native, "close")

    def _set_state(self, native: Any, state: int) -> None:
        self._ended.add(native)
        js.Object.defineProperty(native, "readyState", options(value=state, configurable=True))

    def _end_soon(self, native: Any, *types: str) -> None:
        """Fires events of these types, after the current call."""

        def end() -> None:
            self._set_state(native, 3)
            self._ending = native
            try:
                for type in types:
                    native.dispatchEvent(_ending_event(type))
            finally:
                self._ending = None

        js.setTimeout(create_once_callable(end), 0)


def _ending_event(type: str) -> Any:
    event = js.Event.new(type)
    if type == "close":  # Not everywhere is there a CloseEvent.
        js.Object.assign(event, options(code=1006, reason="", wasClean=False))
    return event
