"""The listeners of one ``EventTarget``, and the order in which an event reaches them.

Pure logic: the caller calls the listeners. https://dom.spec.whatwg.org/#interface-eventtarget and,
for the ``on...`` handlers, https://html.spec.whatwg.org/multipage/webappapis.html#event-handlers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Signal(Protocol):
    """The part of an ``AbortSignal`` that is used."""

    @property
    def aborted(self) -> bool: ...


class Listener:
    """A listener: an added function, or an ``on...`` handler."""

    __slots__ = ("call", "callback", "capture", "is_handler", "once", "removed", "signal")

    def __init__(
        self,
        callback: Any,
        call: Any,
        *,
        capture: bool = False,
        once: bool = False,
        signal: Signal | None = None,
        is_handler: bool = False,
    ) -> None:
        self.callback: Any = callback
        self.call: Any = call
        self.capture: bool = capture
        self.once: bool = once
        self.signal: Signal | None = signal
        self.is_handler: bool = is_handler
        self.removed: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it may still be called."""
        # Reading the signal, rather than listening to it, needs no proxy that could leak.
        return not (self.removed or (self.signal is not None and self.signal.aborted))


class Listeners:
    """The listeners of one target; for each type, in the order in which they are called."""

    __slots__ = ("_by_type",)

    def __init__(self) -> None:
        self._by_type: dict[str, list[Listener]] = {}

    def add(
        self,
        type: str,
        callback: Any,
        call: Any = None,
        *,
        capture: bool = False,
        once: bool = False,
        signal: Signal | None = None,
    ) -> None:
        """Adds ``callback``, unless it was added before for the same type and ``capture``.

        As in the DOM, adding it again does not change its options, and with an aborted ``signal``
        nothing is added. ``call`` is what to call with an event, by default ``callback`` itself.
        """
        listener = Listener(callback, call or callback, capture=capture, once=once, signal=signal)
        if listener.is_live and self._find(type, callback, capture) is None:
            listeners = self._by_type.setdefault(type, [])
            # At the target, the listeners for the capture phase are called first.
            place = sum(other.capture for other in listeners) if capture else len(listeners)
            listeners.insert(place, listener)

    def remove(self, type: str, callback: Any, *, capture: bool = False) -> None:
        """Removes ``callback``, also for an event that is being dispatched."""
        listener = self._find(type, callback, capture)
        if listener is not None:
            self._discard(type, listener)

    def handler(self, type: str) -> Any:
        """Returns the ``on...`` handler for ``type``, or ``None``."""
        listener = self._handler_entry(type)
        return None if listener is None else listener.callback

    def set_handler(self, type: str, callback: Any) -> None:
        """Sets the ``on...`` handler for ``type``; ``None`` clears it.

        A handler that replaces another keeps its place; one that is set after ``None`` is called
        last.
        """
        listener = self._handler_entry(type)
        if listener is None:
            if callback is not None:
                new = Listener(callback, callback, is_handler=True)
                self._by_type.setdefault(type, []).append(new)
        elif callback is None:
            self._discard(type, listener)
        else:
            listener.callback = listener.call = callback

    def has(self, type: str) -> bool:
        """Whether there is a listener for ``type``."""
        return bool(self._live(type))

    def types(self) -> set[str]:
        """Returns the types that have listeners."""
        return {type for type in tuple(self._by_type) if self._live(type)}

    def only(self, type: str) -> Any:
        """Returns what to call with every event of ``type``, ``None`` if that is not one function.

        Until a listener is added or removed, it is all that :meth:`reached_by` would yield.
        """
        listeners = self._live(type)
        if len(listeners) != 1 or listeners[0].once or listeners[0].signal is not None:
            return None
        return listeners[0].call

    def reached_by(self, type: str) -> Iterator[Any]:
        """Yields what to call with an event of ``type``, in order.

        Listeners that are removed meanwhile are skipped, and those that are added wait for the next
        event. One with ``once`` is removed before it is called.
        """
        for listener in self._by_type.get(type, ())[:]:
            if not listener.is_live:
                continue
            if listener.once:
                self._discard(type, listener)
            yield listener.call

    def clear(self) -> None:
        """Removes all listeners."""
        for listeners in self._by_type.values():
            for listener in listeners:
                listener.removed = True
        self._by_type.clear()

    def _live(self, type: str) -> list[Listener]:
        listeners = self._by_type.get(type, [])
        for listener in listeners[:]:
            if not listener.is_live:
                self._discard(type, listener)
        return listeners

    def _find(self, type: str, callback: Any, capture: bool) -> Listener | None:
        for listener in self._live(type):
            if (
                listener.capture == capture
                and not listener.is_handler
                # Not by identity: a bound method is a new object each time.
                and (listener.callback is callback or listener.callback == callback)
            ):
                return listener
        return None

    def _handler_entry(self, type: str) -> Listener | None:
        for listener in self._by_type.get(type, ()):
            if listener.is_handler:
                return listener
        return None

    def _discard(self, type: str, listener: Listener) -> None:
        listener.removed = True
        self._by_type[type].remove(listener)
