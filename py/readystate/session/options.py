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
        persist: ``"sessionStorage"``: while the page is hidden or left, what is not confirmed is
            kept for this tab, and whoever makes the session there the next time goes on with it:
            after a reload, or when the browser has discarded the tab. That is for a page, not a
            worker, and not for a ``Blob``. Browsers keep some megabytes for all pages of an origin
            together: of what waits, and of what is sent and unconfirmed, 1 MiB each are accepted,
            beyond that ``on_full`` says what happens; a longer message is a :exc:`ValueError`.
        renew: Whether to go on with a new session when the server has none any more: it was not
            resumed in time, or the server was restarted and keeps its sessions in memory only. What
            is unconfirmed is sent again in it, so that it arrives **at least** once; what the
            server had still to send is lost with its session. The :class:`StateChange` to WAITING
            tells of it: its ``error`` is the :exc:`SessionExpired`. By default that is the end, and
            the application decides.
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
