"""Numbers in words."""

from __future__ import annotations


def plural(count: int, what: str = "message") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def milliseconds(time: float | None) -> str:
    if time is None:
        return "never"
    return f"{time:.0f} ms" if time >= 10 else f"{time:.1f} ms"


def duration(time: float) -> str:
    """Milliseconds, in seconds where there are many."""
    return milliseconds(time) if time < 1000 else f"{time / 1000:.1f} s"
