"""``WebSocketStream``, which is not available here."""

# ruff: noqa: ARG001, ARG002 - the parameters are the port's

from __future__ import annotations

from typing import Any

__all__ = ["ReadAhead", "new_stream"]


def new_stream(url: Any, protocols: Any) -> Any:
    """Not available.

    Raises:
        RuntimeError: There is no ``WebSocketStream`` here.
    """
    raise _no_stream()


class ReadAhead:
    """Not available.

    Raises:
        RuntimeError: There is no ``WebSocketStream`` here.
    """

    def __init__(self, readable: Any, *, messages: float, size: float) -> None:
        raise _no_stream()

    async def read(self) -> str | bytes | None:
        raise _no_stream()

    async def run(self) -> None:
        raise _no_stream()

    def destroy(self) -> None:
        raise _no_stream()


def _no_stream() -> RuntimeError:
    return RuntimeError("there is no WebSocketStream here: only some browsers have it")
