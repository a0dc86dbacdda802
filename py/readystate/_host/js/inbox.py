"""Receiving many messages: batches in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import js
from pyodide.ffi import create_proxy

from .errors import NativeError
from .values import describe, is_buffer, options

__all__ = ["Inbox"]

_SEPARATOR = "\0"
_FEW = 16
_LONG = 4096
_TAG_OF = js.Function.prototype.call.bind(js.Object.prototype.toString)


class Inbox:
    """The messages of a native socket, collected without a Python call for each.

    One native function puts the events into a JavaScript array. A Python function learns only of
    the first one after each :meth:`arm`, and :meth:`take` brings over all that are there: what
    crosses between the languages is a batch, at about the cost of JavaScript alone.
    """

    __slots__ = (
        "_data_of",
        "_encode",
        "_events",
        "_is_long",
        "_listen",
        "_map",
        "_native",
        "_on_arrival",
        "_once",
        "_push",
        "failure",
        "is_armed",
    )

    def __init__(self, native: Any, on_arrival: Callable[[Any], None]) -> None:
        self._native = native
        self._listen = native.addEventListener
        self._events = js.Array.new()
        self._push = js.Array.prototype.push.bind(self._events)
        self._listen("message", self._push)
        self._data_of: Any = None
        self._map = js.Function.prototype.call.bind(js.Array.prototype.map, self._events)
        self._encode: Any = None
        # What the last message was, as the next one most likely is.
        self._is_long = False
        self._on_arrival = create_proxy(on_arrival)
        self._once = options(once=True)
        self.failure: str | None = None
        self.is_armed = False

    def arm(self) -> None:
        """Has the function called at the next message; :meth:`take` has to come first."""
        if not self.is_armed:
            self.is_armed = True
            self._listen("message", self._on_arrival, self._once)

    def take(self) -> list[Any]:
        """All messages that have arrived since the last call, ``str`` or ``bytes``.

        If one of them can be converted to neither, ``failure`` says so, and what came before it is
        all that there will be.
        """
        if self.is_armed or self.failure is not None:
            return []  # The first one would have ended that.
        count = self._events.length
        if not count:
            return []
        if count == 1 and not self._is_long:
            data = self._events.pop().data
            messages = [data] if isinstance(data, str) else self._converted([data])
            self._note(messages)
            return messages
        try:
            messages = self._take_batch(count)
        except NativeError:
            # An event of another class than the first one, or more than one string can hold.
            messages = self._converted([event.data for event in self._events])
        self._events.length = 0
        return messages

    def _take_batch(self, count: int) -> list[Any]:
        if self._data_of is None:
            self._data_of = _data_getter(self._events[0])
        if self._data_of is None:
            return self._converted([event.data for event in self._events])
        batch = self._map(self._data_of)
        # What they are is asked of each: nothing that is no text may be taken for what it looks
        # like as text.
        kinds = js.Set.new(batch.map(_TAG_OF))
        if kinds.size > 1 or not kinds.has("[object String]"):
            messages = self._converted(batch.to_py())
            self._note(messages)
            return messages
        # One long string crosses several times faster than many short ones, and if it is ASCII, as
        # UTF-8 five times faster than as a string.
        if self._is_long or count > _FEW:
            if self._encode is None:
                encoder = js.TextEncoder.new()
                self._encode = encoder.encode.bind(encoder)
            batch.toString = js.Array.prototype.join.bind(batch, _SEPARATOR)
            joined = str(self._encode(batch).to_bytes(), "utf-8")
        else:
            joined = batch.join(_SEPARATOR)
        self._is_long = len(joined) > _LONG
        texts: list[Any] = joined.split(_SEPARATOR)
        return texts if len(texts) == count else self._converted(batch.to_py())

    def _note(self, messages: list[Any]) -> None:
        """The next message is most likely as long as the last one."""
        self._is_long = (
            bool(messages) and isinstance(messages[-1], str) and len(messages[-1]) > _LONG
        )

    def _converted(self, values: Iterable[Any]) -> list[str | bytes]:
        """The messages, up to the first one that is neither text nor binary."""
        messages: list[str | bytes] = []
        for value in values:
            if isinstance(value, str):
                messages.append(value)
            elif isinstance(value, memoryview):
                messages.append(value.tobytes())
            elif is_buffer(value):
                messages.append(value.to_bytes())
            else:
                self.failure = (
                    f"a message has arrived that is neither text nor an ArrayBuffer: "
                    f"{describe(value)}, which only a stand-in for the browser's WebSocket sends"
                )
                break
        return messages

    def destroy(self) -> None:
        """Ceases to collect, and lets go of the function."""
        self._native.removeEventListener("message", self._push)
        self._native.removeEventListener("message", self._on_arrival)
        self._on_arrival.destroy()


def _data_getter(event: Any) -> Any:
    """``event => event.data``, without a script of our own to be evaluated.

    ``None`` where that is no accessor, as in Deno.
    """
    # Of this event's own class: Node.js 20 has two by the name of MessageEvent.
    prototype = js.Object.getPrototypeOf(event)
    descriptor = js.Object.getOwnPropertyDescriptor(prototype, "data")
    getter = getattr(descriptor, "get", None)
    return None if getter is None else js.Function.prototype.call.bind(getter)
