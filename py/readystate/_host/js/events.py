"""Creating events."""

from __future__ import annotations

from typing import Any

import js

from .values import options

__all__ = ["new_close_event"]


def new_close_event(code: int, reason: str, was_clean: bool) -> Any:
    """Creates a JavaScript ``CloseEvent`` for an end that the browser has not reported."""
    how = options(code=code, reason=reason, wasClean=was_clean)
    if hasattr(js, "CloseEvent"):
        return js.CloseEvent.new("close", how)
    how.type = "close"
    return how
