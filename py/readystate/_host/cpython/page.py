"""The page, of which there is none here."""

# ruff: noqa: ARG001 - the parameters are the port's

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PageEvents", "restore", "save"]


class PageEvents:
    """Would have a function called when the page goes away or comes back; there is none."""

    __slots__ = ()

    def __init__(self, function: Callable[[str], None]) -> None:
        pass

    @property
    def is_online(self) -> bool:
        """Whether there may be a network; ``False`` is certain."""
        return True

    @property
    def is_hidden(self) -> bool:
        """Whether the page is in a tab that is not shown."""
        return False

    def destroy(self) -> None:
        """Ceases to listen."""


def save(key: str, text: str | None) -> None:
    """Would keep ``text`` under ``key`` for this tab.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
    """
    raise _no_session_storage()


def restore(key: str) -> str | None:
    """Would return what is kept under ``key`` for this tab.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
    """
    raise _no_session_storage()


def _no_session_storage() -> RuntimeError:
    return RuntimeError(
        "there is no sessionStorage here: it is the page's, and not to be had in a worker or "
        "outside browsers"
    )
