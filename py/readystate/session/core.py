"""One end of a session: what it counts and sends. Pure logic.

Specified in docs/session-protocol.md. The caller reports what arrives, what the application is done
with, and when connections start and end; the core decides what to send. ::

    application --> Outbox --take()--> escape() --> | connection | --> receive() --> application
                      ^                                                    |              |
                      +------------- acknowledgements: controls() <--------+-- finish() <-+
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.delivery import Delivery
from ..core.outbox import Outbox
from . import control
from .control import ProtocolError, Window

ACK_DELAY = 1.0
"""After how many seconds, at most, a message that is done is acknowledged.

Until then its sender keeps it, and may have to send it again. An acknowledgement takes about 15
bytes: with messages of 64 bytes, 12 % of the traffic at one message per second, 0.2 % at 100.
"""
ACK_WITH_MESSAGE = 0.5
"""After how many seconds it goes with the next message, if there is one, not by itself later."""
_ACK_MESSAGES = 512
_MOST_NOT_KEPT = 2**16
_ACK_BYTES = 2**20


class Hello(NamedTuple):
    """A client's first control: its session, and how much of it was received."""

    session: str | None
    """``None`` for a new one."""
    received: int
    window: Window
    connection: int = 1
    """The number of this connection."""

    @classmethod
    def parse(cls, message: Any) -> Hello:
        """Parses the first message of a connection, at the server.

        Raises:
            ProtocolError: It is not such a control.
        """
        if not control.is_control(message):
            raise ProtocolError("a message arrived before the session")
        kind, value = control.decode(message)
        if kind not in ("open", "resume"):
            raise ProtocolError("a control arrived at the wrong time")
        said = control.members(value)
        window = control.window(said.get("window"))
        if kind == "open":
            return cls(None, 0, window)
        return cls(
            control.session_id(said.get("session")),
            control.number(said.get("received")),
            window,
            control.number(said.get("connection")),
        )


class Core:
    """The common part of both ends.

    Args:
        outbox: The messages that this end sends, without keys. Only this class confirms them. Its
            limits for unconfirmed messages bound the window of the other end.
        window: How much the other end may send before it is acknowledged.
        done: How many messages were already done.
        connection: The number of the previous connection.

    Attributes:
        received: How many messages were received.
        done: How many of these the application is done with.
        connection: The number of the last connection, from 1.
        is_joined: Whether both ends have agreed on a connection.
        failure: The other end's protocol error, after which it is ignored.
    """

    def __init__(
        self, outbox: Outbox, window: Window, *, done: int = 0, connection: int = 0
    ) -> None:
        self.outbox = outbox
        self.window = window
        self.received: int = done
        self.done: int = done
        self.connection: int = connection
        self.is_joined: bool = False
        self.failure: ProtocolError | None = None
        self._received_bytes = 0
        self._done_bytes = 0
        # The number in the last acknowledgement, and up to where another one was asked for.
        self._acknowledged = done
        self._acknowledged_bytes = 0
        self._asked_until = 0
        self._ack_messages = min(max(1, window.messages // 4), _ACK_MESSAGES)
        self._ack_bytes = min(max(1, window.size // 4), _ACK_BYTES)
        # Up to which of our messages we last asked.
        self._asked_about = 0
        self._is_asking = False
        # The controls to send: at most one of each, even if they cannot be sent for long.
        self._answer: str | None = None
        self._is_ack_due = False
        self._is_ask_due = False

    @property
    def confirmed(self) -> int:
        """How many of this end's messages are done at the other one."""
        return self.outbox.sent - self.outbox.unconfirmed

    @property
    def is_asking(self) -> bool:
        """Whether an answer to :meth:`ask` is outstanding."""
        return self._is_asking

    @property
    def has_unacknowledged(self) -> bool:
        """Whether a message is done but not acknowledged.

        Call :meth:`acknowledge` after at most :data:`ACK_DELAY`.
        """
        return self.done > self._acknowledged

    def receive(self, messages: Sequence[Any]) -> list[Any]:
        """Handles received messages; returns those of the application, up to a :attr:`failure`."""
        if self.failure is not None:
            return []
        arrived: list[Any] = []
        # Only texts that start like a control are handled one by one, others in slices.
        firsts = [message[:1] for message in messages]
        firsts.append(control.DLE)
        start = 0
        try:
            while True:
                end = firsts.index(control.DLE, start)
                self._take(messages[start:end], arrived)
                if end == len(messages):
                    break
                self._sort(messages[end], arrived)
                start = end + 1
        except ProtocolError as error:
            self.failure = error
        return arrived

    def finish(self, done: int, size_held: int) -> None:
        """Sets how many messages are done in total, and how many bytes (of text, characters) are
        not.
        """
        self.done = done
        self._done_bytes = self._received_bytes - size_held
        if (
            0 < self._asked_until <= done
            or done - self._acknowledged >= self._ack_messages
            or self._done_bytes - self._acknowledged_bytes >= self._ack_bytes
        ):
            self.acknowledge()

    def acknowledge(self) -> None:
        """Prepares an acknowledgement."""
        if self.is_joined:
            if self.done >= self._asked_until:
                self._asked_until = 0
            self._acknowledged, self._acknowledged_bytes = self.done, self._done_bytes
            self._is_ack_due = True

    @property
    def has_unasked(self) -> bool:
        """Whether :meth:`ask` would tell more than the outstanding answers."""
        return not self._is_asking and self.outbox.sent > max(self._asked_about, self.confirmed)

    @property
    def is_short_of_window(self) -> bool:
        """Whether the window is half full, and half of that was not asked about yet."""
        unasked = self.outbox.sent - max(self._asked_about, self.confirmed)
        return self.outbox.is_window_half_full and 2 * unasked >= self.outbox.unconfirmed

    def ask(self) -> None:
        """Asks for an acknowledgement, after what has to be sent again.

        The answer comes at once, and another one when all that was sent before is done.
        """
        if self.is_joined:
            self._is_asking = True
            self._asked_about = self.outbox.sent
            self._is_ask_due = True

    @property
    def has_controls(self) -> bool:
        """Whether there are :meth:`controls`."""
        return self._answer is not None or self._is_ack_due or self._is_ask_due

    def controls(self) -> list[str]:
        """Returns the controls to send now, before further messages."""
        controls = []
        if self._answer is not None:
            controls.append(self._answer)
            self._answer = None
        if self._is_ack_due:
            controls.append(control.encode("ack", self._acknowledged))
            self._is_ack_due = False
        if self._is_ask_due:
            controls.append(control.encode("ask", 1))
            self._is_ask_due = False
        return controls

    def disconnect(self) -> None:
        """Called when the connection is lost; drops unsent controls."""
        self.is_joined = False
        self._is_asking = False
        self._asked_until = self._asked_about = 0
        self._answer = None
        self._is_ack_due = self._is_ask_due = False

    def _join(
        self, received: int, window: Window, *, sent: int | None = None, answer: str | None = None
    ) -> list[Delivery]:
        """Joins a connection; returns what has to be sent again.

        Args:
            received: How many messages the other end has received.
            window: How much it takes.
            sent: How many messages had been sent before this connection, if not all.
            answer: The control to send first.

        Raises:
            ProtocolError: ``received`` is more than was sent, or less than before.
        """
        sent = self.outbox.sent if sent is None else sent
        if not self.confirmed <= received <= sent:
            raise ProtocolError("the other end cannot have received that number of messages")
        self.disconnect()
        self.outbox.limit(*window)
        self.is_joined = True
        self._answer = answer
        if self.done:
            self.acknowledge()  # The last one may have been lost.
        # Otherwise there was nothing to send again.
        return self.outbox.resend_from(received) if sent == self.outbox.sent else []

    def _sort(self, text: str, arrived: list[Any]) -> None:
        """Handles a control, or takes the message that is marked as none."""
        if text.startswith(control.DLE, 1):
            self._take([text[1:]], arrived)
        else:
            self._on_control(*control.decode(text))

    def _take(self, messages: Sequence[Any], arrived: list[Any]) -> None:
        """Counts messages of the application and adds them to ``arrived``."""
        if not messages:
            return
        if not self.is_joined:
            raise ProtocolError("a message arrived before the session")
        size = sum(map(len, messages))
        if self._fits(len(messages), size):
            self.received += len(messages)
            self._received_bytes += size
            arrived.extend(messages)
        elif len(messages) == 1:
            raise ProtocolError("more was sent than the window allows", control.TOO_MUCH)
        else:
            for message in messages:
                self._take([message], arrived)

    def _fits(self, count: int, size: int) -> bool:
        """Whether ``count`` more messages, of ``size`` bytes, fit into the window."""
        held = self.received - self.done + count
        size += self._received_bytes - self._done_bytes
        return held <= self.window.messages and (held <= 1 or size <= self.window.size)

    def _on_control(self, kind: str, value: Any) -> None:
        if self.is_joined and kind == "ack":
            confirmed = control.number(value)
            if not self.confirmed <= confirmed <= self.outbox.sent:
                raise ProtocolError("an acknowledgement of what was not sent")
            self._is_asking = False
            self.outbox.confirm_before(confirmed, "session")
        elif self.is_joined and kind == "ask":
            self._asked_until = self.received
            self.acknowledge()
        else:
            raise ProtocolError("a control arrived at the wrong time")


class ServerCore(Core):
    """The server's end. Its caller finds the session by the client's first control."""

    def open(self, hello: Hello, session: str, expires: float) -> None:
        """Opens the session.

        Args:
            hello: The client's first control.
            session: The secret with which to resume it.
            expires: For how many seconds it is kept without a connection.
        """
        self.connection: int = hello.connection
        said = {"session": session, "expires": expires, "window": self.window}
        self._join(0, hello.window, answer=control.encode("opened", said))

    def resume(self, hello: Hello, expires: float) -> list[Delivery]:
        """Resumes over a new connection; returns what to send again, after the controls.

        Raises:
            ProtocolError: The client cannot have received that number, or has a newer connection.
                Then nothing has changed.
        """
        if hello.connection <= self.connection:
            raise ProtocolError("the client has a newer connection", control.TAKEN_OVER)
        said = {"received": self.received, "expires": expires, "window": self.window}
        again = self._join(hello.received, hello.window, answer=control.encode("resumed", said))
        self.connection = hello.connection
        return again


class ClientCore(Core):
    """The client's end.

    Attributes:
        session: The secret with which to resume it; ``None`` before it is open.
        expires: For how many seconds the server keeps it without a connection.
        again: What to send again over this connection.
        kept: Messages that waited when a previous page kept the session, which it may have sent
            since; ``None`` without such a page.
    """

    def __init__(
        self,
        outbox: Outbox,
        window: Window,
        *,
        done: int = 0,
        connection: int = 0,
        session: str | None = None,
    ) -> None:
        super().__init__(outbox, window, done=done, connection=connection)
        self.session = session
        # How many messages had been sent when this connection started.
        self._sent_before = outbox.sent
        # Whether the server has told its window: not yet for a restored session.
        self._knows_window = False
        # Up to where messages count as done before the server acknowledges them.
        self._assumed = 0
        self.expires: float = 0.0
        self.again: list[Delivery] = []
        self.kept: list[Any] | None = None

    @property
    def need_not_wait(self) -> bool:
        """Whether new messages may follow :meth:`hello` at once: there are none to send again."""
        return self._knows_window and not self.outbox.unconfirmed

    def hello(self) -> str:
        """Returns the first message of a connection."""
        self._sent_before = self.outbox.sent
        if self.session is None:
            self.connection: int = 1
            return control.encode("open", {"window": self.window})
        self.connection += 1
        said = {
            "session": self.session,
            "connection": self.connection,
            "received": self.received,
            "window": self.window,
        }
        return control.encode("resume", said)

    def disconnect(self) -> None:
        super().disconnect()
        self.again.clear()

    def _on_control(self, kind: str, value: Any) -> None:
        if self.is_joined and kind == "ack" and self._is_assumed(value):
            self._is_asking = False
            return
        if self.is_joined or kind != ("opened" if self.session is None else "resumed"):
            super()._on_control(kind, value)
            return
        said = control.members(value)
        window = control.window(said.get("window"))
        expires = control.seconds(said.get("expires"))
        if self.session is None:
            self.session = control.session_id(said.get("session"))
            received = 0
        else:
            received = control.number(said.get("received"))
            if self.kept is not None:
                self._catch_up(received, self.kept)
                self.kept = None
        self.again = self._join(received, window, sent=self._sent_before)
        self._knows_window = True
        self.expires = expires

    def _catch_up(self, received: int, kept: list[Any]) -> None:
        """Counts messages as sent that the previous page has sent after it kept the session."""
        outbox = self.outbox
        outbox.mark_sent(kept[: max(0, received - outbox.sent)])
        if outbox.sent < received <= outbox.sent + _MOST_NOT_KEPT:
            # The messages that were not kept, and all before, are now with the server only.
            outbox.confirm_before(outbox.sent, "session")
            outbox.sent = self._assumed = received
        self._sent_before = outbox.sent

    def _is_assumed(self, value: Any) -> bool:
        """Whether an acknowledgement is for what already counts as done."""
        return control.number(value) < self._assumed
