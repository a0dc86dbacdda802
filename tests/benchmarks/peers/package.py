"""The package itself."""

from __future__ import annotations

from time import perf_counter


async def start() -> float:
    """How long its first import takes, in ms; readystate alone would load nothing yet."""
    begin = perf_counter()
    from readystate import connect  # noqa: F401

    return (perf_counter() - begin) * 1000
