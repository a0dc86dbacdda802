"""Receiving messages in batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import js
from pyodide.ffi import create_proxy

from ...core.binary import SEPARATOR
from .errors import NativeError
from .values import describe, is_buffer, options

if TYPE_CHECKING:
    from .heap import HeapReader

__all__ = ["Inbox"]

_LITTLE = 1024
"""Up to how many bytes a batch of texts crosses as one string: loading the module for more would
take longer."""
_LARGE = 2**14
"""From how many bytes on a second copy of binary data is slower than a proxy for it."""
_REQUIRE_STRING = js.Function.prototype.call.bind(js.String.prototype.valueOf)
"""Throws if its argument is not a string. Made at import, not for the first batch: tests find leaks
by counting proxies before the first socket and after the last one."""


class Inbox:
    """The messages of a native socket, collected without a Python call for each.

    A native function pushes the events to a JavaScript array. A Python function is called only for
    the first one after each :meth:`arm`; :meth:`take` converts all as a batch, at about the cost of
    JavaScript alone.
    """

    __slots__ = (
        "_data_of",
        "_events",
        "_is_text",
        "_length",
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
        # Of the last messages, most likely also of the next ones: whether all were text, and how
        # many bytes (of text, characters) each had on average.
        self._is_text = True
        self._length = 64
        self._on_arrival = create_proxy(on_arrival)
        self._once = options(once=True)
        self.failure: str | None = None
        self.is_armed = False

    def arm(self) -> None:
        """Calls the function at the next message. Call :meth:`take` first."""
        if not self.is_armed:
            self.is_armed = True
            self._listen("message", self._on_arrival, self._once)

    def take(self) -> list[Any]:
        """Returns all messages since the last call, ``str`` or ``bytes``.

        If one cannot be converted, ``failure`` describes it, and no more follow.
        """
        if self.is_armed or self.failure is not None:
            return []  # The first one would have ended that.
        count = self._events.length
        if not count:
            return []
        try:
            messages = self._take_batch(count)
        except NativeError:
            # An event of a class other than the first one, or more than a string can hold.
            messages = self._converted([event.data for event in self._events])
        self._events.length = 0
        if messages:
            self._length = sum(map(len, messages)) // len(messages)
        return messages

    def _take_batch(self, count: int) -> list[Any]:
        if count == 1 and self._length <= _LITTLE:
            return self._converted([self._events[0].data])
        if self._data_of is None:
            self._data_of = _data_getter(self._events[0])
        if self._data_of is None:
            return self._converted([event.data for event in self._events])
        batch = self._map(self._data_of)
        if self._is_text and self._are_strings(batch):
            return self._texts(batch, count)
        return self._converted(batch.to_py(depth=1 if self._length >= _LARGE else -1))

    def _are_strings(self, batch: Any) -> bool:
        try:
            batch.forEach(_REQUIRE_STRING)
        except NativeError:
            return False
        return True

    def _texts(self, batch: Any, count: int) -> list[Any]:
        """Converts texts together, which is several times faster than one by one."""
        if count * self._length > _LITTLE:
            return _heap_reader().read(batch, count, self._length)
        texts: list[Any] = batch.join(SEPARATOR).split(SEPARATOR)
        return texts if len(texts) == count else self._converted(batch.to_py())

    def _converted(self, values: Iterable[Any]) -> list[str | bytes]:
        """Converts messages, up to the first one that is neither text nor binary."""
        messages: list[str | bytes] = []
        is_text = True
        for value in values:
            if isinstance(value, str):
                messages.append(value)
                continue
            is_text = False
            if isinstance(value, memoryview):
                messages.append(value.tobytes())
            elif is_buffer(value):
                messages.append(value.to_bytes())
            else:
                self.failure = (
                    f"received a message that is neither text nor an ArrayBuffer but "
                    f"{describe(value)}, as only a replacement of the browser's WebSocket sends"
                )
                break
        self._is_text = is_text
        return messages

    def destroy(self) -> None:
        """Stops collecting, and releases the function."""
        self._native.removeEventListener("message", self._push)
        self._native.removeEventListener("message", self._on_arrival)
        self._on_arrival.destroy()


@functools.cache
def _heap_reader() -> HeapReader:
    # Loaded only when needed, as each module takes time to load.
    from .heap import HeapReader

    return HeapReader()


def _data_getter(event: Any) -> Any:
    """Returns ``event => event.data``, without evaluating a script.

    ``None`` where that is not an accessor, as in Deno.
    """
    # Of this event's own class: Node.js 20 has two named MessageEvent.
    prototype = js.Object.getPrototypeOf(event)
    descriptor = js.Object.getOwnPropertyDescriptor(prototype, "data")
    getter = getattr(descriptor, "get", None)
    return None if getter is None else js.Function.prototype.call.bind(getter)
