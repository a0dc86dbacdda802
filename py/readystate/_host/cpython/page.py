"""The port's page, which does not exist here."""

# ruff: noqa: ARG001 - the parameters are the port's

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PageEvents", "restore", "save"]


class PageEvents:
    """Never calls its function, as there is no page."""

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
        """Does nothing."""


def save(key: str, text: str | None) -> None:
    """Not available.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
    """
    raise _no_session_storage()


def restore(key: str) -> str | None:
    """Not available.

    Raises:
        RuntimeError: There is no ``sessionStorage`` here.
    """
    raise _no_session_storage()


def _no_session_storage() -> RuntimeError:
    return RuntimeError(
        "there is no sessionStorage here: only pages have it, not workers or programs "
        "outside browsers"
    )
