"""The target of events.

https://dom.spec.whatwg.org/#interface-eventtarget
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.handlers import call_handler
from ...core.listeners import Listeners
from ...exceptions import InvalidStateError
from .events import NativeEvent
from .values import NativeObject, describe

__all__ = ["NativeEventTarget"]

Options = bool | Mapping[str, Any] | None


class NativeEventTarget(NativeObject):
    """An ``EventTarget``.

    A listener's exceptions go to the event loop's exception handler, and do not affect others.
    """

    __slots__ = ("_listeners",)

    tag = "EventTarget"

    def __init__(self) -> None:
        self._listeners = Listeners()

    def addEventListener(  # noqa: N802
        self, type: str, listener: Any, options: Options = None
    ) -> None:
        """Calls ``listener`` with each event of ``type``.

        Args:
            type: The type of the events.
            listener: A function, plain or async, or an object with a method ``handleEvent``.
            options: ``capture``; or ``capture``, ``once`` and ``signal``.
        """
        if listener is None:
            return
        chosen = _options(options)
        self._listeners.add(
            type,
            listener,
            getattr(listener, "handleEvent", None),
            capture=bool(chosen.get("capture")),
            once=bool(chosen.get("once")),
            signal=chosen.get("signal"),
        )

    def removeEventListener(  # noqa: N802
        self, type: str, listener: Any, options: Options = None
    ) -> None:
        """Removes ``listener``, if it was added."""
        self._listeners.remove(type, listener, capture=bool(_options(options).get("capture")))

    def dispatchEvent(self, event: Any) -> bool:  # noqa: N802
        """Dispatches an event.

        Returns:
            ``False`` if a listener called ``preventDefault()``.

        Raises:
            TypeError: ``event`` is not a native event.
            InvalidStateError: It is already being dispatched.
        """
        if not isinstance(event, NativeEvent):
            raise TypeError(f"dispatchEvent() takes a native Event, not {describe(event)}")
        if event.is_being_dispatched:
            raise InvalidStateError("the event is being dispatched already")
        event.isTrusted = False
        self._fire(event)
        return not event.defaultPrevented

    def _fire(self, event: NativeEvent) -> None:
        event.begin(self)
        try:
            for call in self._listeners.reached_by(event.type):
                call_handler(call, event, self._describe_failure)
                if event.is_stopped:
                    break
        finally:
            event.end()

    def _describe_failure(self, event: NativeEvent) -> str:
        return f"Exception in a listener for {event.type!r} of {self!r}"


def _options(options: Options) -> Mapping[str, Any]:
    return options if isinstance(options, Mapping) else {"capture": options}
