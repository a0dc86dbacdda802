"""Events of our own making."""

from __future__ import annotations

from typing import Any

import js

from .values import options

__all__ = ["new_close_event"]


def new_close_event(code: int, reason: str, was_clean: bool) -> Any:
    """A JavaScript ``CloseEvent`` for an end of which the browser has not told."""
    how = options(code=code, reason=reason, wasClean=was_clean)
    if hasattr(js, "CloseEvent"):
        return js.CloseEvent.new("close", how)
    how.type = "close"
    return how
