"""What an application chooses of a session: :class:`Session`. Pure logic."""

from __future__ import annotations

from typing import Literal

from ..core.heartbeat import Heartbeat
from .control import encode

__all__ = ["Session"]


class Session:
    """How a :class:`QueuedWebSocket` keeps its session. ::

        QueuedWebSocket(url, session=Session(interval=5, timeout=5))

    Args:
        interval: For how long nothing may arrive until it is asked whether the connection lives, in
            seconds.
        timeout: How long the server has to answer that, in seconds; then the connection is dropped,
            and the session goes on over the next one.
        persist: ``"sessionStorage"``: when the page is left or loaded again, what is not confirmed
            is kept for this tab, and whoever makes the session there the next time goes on with it.
            That is for a page, not a worker; for some megabytes at most; and not for a ``Blob``.
        name: Under which name it is kept; by default under the URL without its query, if that is
            given as a ``str``.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument makes no sense.
    """

    def __init__(
        self,
        *,
        interval: float = 20,
        timeout: float = 10,
        persist: Literal["sessionStorage"] | None = None,
        name: str | None = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name={name!r} must be a str, or None")
        if persist not in (None, "sessionStorage"):
            raise ValueError(f"persist={persist!r} must be 'sessionStorage' or None")
        self.persist = persist
        self.name = name
        self.heartbeat = Heartbeat(
            encode("ask", 1), interval=interval, timeout=timeout, when_quiet=True
        )
