"""The options of a session: :class:`Session`. Pure logic."""

from __future__ import annotations

from typing import Literal

from ..core.heartbeat import Heartbeat
from .control import encode

__all__ = ["Session"]


class Session:
    """Options for the session of a :class:`QueuedWebSocket`. ::

        QueuedWebSocket(url, session=Session(interval=5, timeout=5))

    Args:
        interval: After how many seconds without a message to send a heartbeat.
        timeout: How long to wait for the answer, in seconds, before the connection is replaced.
        persist: ``"sessionStorage"`` keeps unconfirmed messages while the page is hidden or left,
            so that the next page in this tab resumes the session: after a reload, or when the
            browser has discarded the tab. Not for workers or a ``Blob``. Browsers store little, so
            at most 1 MiB may wait, and 1 MiB be unconfirmed; beyond that ``on_full`` applies, and a
            longer message raises :exc:`ValueError`.
        renew: Whether to open a new session when the server no longer has this one: it has expired,
            or the server was restarted without a shared store. Unconfirmed messages are sent again,
            so they arrive **at least** once; what the server had not sent yet is lost. The
            ``error`` of the :class:`StateChange` to WAITING is the :exc:`SessionExpired`. By
            default, that closes the queue.
        name: The name to keep it under; by default the URL without its query, if that is not a
            function.

    Raises:
        TypeError: An argument has a wrong type.
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        *,
        interval: float = 20,
        timeout: float = 10,
        persist: Literal["sessionStorage"] | None = None,
        name: str | None = None,
        renew: bool = False,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name={name!r} must be a str, or None")
        if persist not in (None, "sessionStorage"):
            raise ValueError(f"persist={persist!r} must be 'sessionStorage' or None")
        self.persist = persist
        self.name = name
        self.renew = renew
        self.heartbeat: Heartbeat = Heartbeat(
            encode("ask", 1), interval=interval, timeout=timeout, when_quiet=True
        )
