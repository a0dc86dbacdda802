"""Events, with the attributes of the DOM.

https://dom.spec.whatwg.org/#interface-event
"""

from __future__ import annotations

import time
from typing import Any

from .values import NativeBlob, NativeBuffer, NativeObject

__all__ = [
    "NativeBlob",
    "NativeCloseEvent",
    "NativeEvent",
    "NativeMessageEvent",
    "new_close_event",
]

_ORIGIN = time.perf_counter()
_AT_TARGET = 2


class NativeEvent(NativeObject):
    """An ``Event``.

    Attributes:
        timeStamp: When it was created, in milliseconds since this module was imported.
        isTrusted: Whether the socket created it.
    """

    __slots__ = (
        "_is_canceled",
        "_is_stopped",
        "bubbles",
        "cancelable",
        "composed",
        "currentTarget",
        "eventPhase",
        "isTrusted",
        "target",
        "timeStamp",
        "type",
    )

    tag = "Event"

    def __init__(
        self,
        type: str,
        *,
        bubbles: bool = False,
        cancelable: bool = False,
        composed: bool = False,
        is_trusted: bool = False,
    ) -> None:
        self.type = type
        self.bubbles = bubbles
        self.cancelable = cancelable
        self.composed = composed
        self.isTrusted = is_trusted
        self.timeStamp = (time.perf_counter() - _ORIGIN) * 1000
        self.target: Any = None
        self.currentTarget: Any = None
        self.eventPhase = 0
        self._is_canceled = False
        self._is_stopped = False

    @property
    def defaultPrevented(self) -> bool:  # noqa: N802
        return self._is_canceled

    @property
    def is_stopped(self) -> bool:
        """Whether it reaches no more listeners."""
        return self._is_stopped

    @property
    def is_being_dispatched(self) -> bool:
        return self.eventPhase != 0

    def preventDefault(self) -> None:  # noqa: N802
        self._is_canceled = self.cancelable

    def stopPropagation(self) -> None:  # noqa: N802
        """Does nothing, as a socket has no parents."""

    def stopImmediatePropagation(self) -> None:  # noqa: N802
        """Stops the remaining listeners from being called."""
        self._is_stopped = True

    def begin(self, target: Any) -> None:
        """Starts its dispatch to ``target``."""
        self.target = self.currentTarget = target
        self.eventPhase = _AT_TARGET

    def end(self) -> None:
        """Ends its dispatch."""
        self.currentTarget = None
        self.eventPhase = 0
        self._is_stopped = False

    def __repr__(self) -> str:
        return f"<native {self.tag} {self.type!r}>"


class NativeMessageEvent(NativeEvent):
    """A ``MessageEvent``."""

    __slots__ = ("data", "lastEventId", "origin")

    tag = "MessageEvent"

    def __init__(
        self,
        type: str,
        data: str | NativeBlob | NativeBuffer,
        *,
        origin: str = "",
        is_trusted: bool = False,
    ) -> None:
        super().__init__(type, is_trusted=is_trusted)
        self.data = data
        self.origin = origin
        self.lastEventId = ""


class NativeCloseEvent(NativeEvent):
    """A ``CloseEvent``."""

    __slots__ = ("code", "reason", "wasClean")

    tag = "CloseEvent"

    def __init__(
        self, type: str, code: int, reason: str, was_clean: bool, *, is_trusted: bool = False
    ) -> None:
        super().__init__(type, is_trusted=is_trusted)
        self.code = code
        self.reason = reason
        self.wasClean = was_clean


def new_close_event(code: int, reason: str, was_clean: bool) -> NativeCloseEvent:
    """Creates a ``CloseEvent`` for an end that the socket has not reported."""
    return NativeCloseEvent("close", code, reason, was_clean)
