"""The package itself."""

from __future__ import annotations

import gc
from time import perf_counter


async def prepare(*, collects: bool = True) -> None:
    """Has Python look for no garbage, if that is to be no part of the import.

    It is called in any case: the first call of any function takes a page longer than others.
    """
    if not collects:
        gc.disable()


async def idle(**_: object) -> None:
    """Does nothing: what remains is the call."""


async def start(name: str, **_: object) -> float:
    """How long the first import takes, in ms, as ``from readystate import <name>``."""
    begin = perf_counter()
    __import__("readystate", fromlist=[name])
    return (perf_counter() - begin) * 1000
