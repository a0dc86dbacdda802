"""Which listeners an event reaches, and in which order: the listeners of one ``EventTarget``.

Pure logic: it knows neither the browser nor what calling a listener means.
https://dom.spec.whatwg.org/#interface-eventtarget and, for the ``on...`` handlers,
https://html.spec.whatwg.org/multipage/webappapis.html#event-handlers
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Signal(Protocol):
    """What is needed of an ``AbortSignal``."""

    @property
    def aborted(self) -> bool: ...


class Listener:
    """One entry of a list: a function that was added, or the place of an ``on...`` handler."""

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
        """Whether it is still to be called."""
        # Asking the signal here, rather than listening to it, needs no proxy that could leak.
        return not (self.removed or (self.signal is not None and self.signal.aborted))


class Listeners:
    """The listeners of one target; those of each type in the order in which they are called."""

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
        """Adds ``callback``, unless it is there already with the same type and ``capture``.

        As in the DOM, the options of the one that is there stay as they are, and a signal that is
        aborted already adds nothing. ``call`` is what an event is to be given to, if not
        ``callback`` itself.
        """
        listener = Listener(callback, call or callback, capture=capture, once=once, signal=signal)
        if listener.is_live and self._find(type, callback, capture) is None:
            listeners = self._by_type.setdefault(type, [])
            # At the target, the listeners for the capture phase are called first.
            place = sum(other.capture for other in listeners) if capture else len(listeners)
            listeners.insert(place, listener)

    def remove(self, type: str, callback: Any, *, capture: bool = False) -> None:
        """Removes ``callback``; not even an event that is being dispatched reaches it any more."""
        listener = self._find(type, callback, capture)
        if listener is not None:
            self._discard(type, listener)

    def handler(self, type: str) -> Any:
        """The ``on...`` handler for ``type``, or ``None``."""
        listener = self._handler_entry(type)
        return None if listener is None else listener.callback

    def set_handler(self, type: str, callback: Any) -> None:
        """Sets the ``on...`` handler for ``type``; ``None`` clears it.

        One that replaces another is called in its place; one that is set after ``None`` is called
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
        """Whether anything listens to ``type``."""
        return bool(self._live(type))

    def types(self) -> set[str]:
        """The types that anything listens to."""
        return {type for type in tuple(self._by_type) if self._live(type)}

    def reached_by(self, type: str) -> Iterator[Any]:
        """What an event of ``type`` is to be given to, one after another.

        What one of them changes has its effect on the next: one that was removed is passed over,
        one that was added waits for the next event. One with ``once`` is removed before it is
        called.
        """
        for listener in self._by_type.get(type, ())[:]:
            if not listener.is_live:
                continue
            if listener.once:
                self._discard(type, listener)
            yield listener.call

    def clear(self) -> None:
        """Removes all of them."""
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
                # Not by identity alone: a bound method is a new object each time it is named.
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
