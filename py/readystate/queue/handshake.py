"""An open link, as a :class:`Confirmation` sees it."""

from __future__ import annotations

from typing import Protocol

from ..exceptions import connection_closed
from .link import Link


class Owner(Protocol):
    """The owner of the links."""

    def release(self) -> None:
        """Lets waiting messages be sent."""

    def link_ready(self, link: Link) -> None:
        """Marks the link as ready."""

    def abandon(self, link: Link) -> None:
        """Drops the link."""

    def end_by_itself(self, end: Exception) -> None:
        """Closes for good."""


class Handshake:
    """An open link that is not ready yet."""

    def __init__(self, link: Link, owner: Owner) -> None:
        self._link = link
        self._owner = owner

    @property
    def protocol(self) -> str:
        return self._link.ws.protocol

    @property
    def address(self) -> str:
        return self._link.address

    def release(self) -> None:
        self._owner.release()

    def ready(self) -> None:
        self._owner.link_ready(self._link)

    def fail(self, error: Exception) -> None:
        self._link.failure = error
        self._owner.abandon(self._link)

    def end(self, code: int, reason: str) -> None:
        self._link.ws.close(code, reason)
        cause = f"the server violates the session protocol: {reason}"
        self._owner.end_by_itself(connection_closed(code, reason, False, cause))
