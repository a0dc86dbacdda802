"""The package itself."""

from __future__ import annotations

from time import perf_counter


async def idle(**_: object) -> None:
    """Does nothing: what remains is the call.

    The first call of any function takes a page longer than others.
    """


async def start(name: str, **_: object) -> float:
    """How long the first import takes, in ms, as ``from readystate import <name>``."""
    begin = perf_counter()
    __import__("readystate", fromlist=[name])
    return (perf_counter() - begin) * 1000
