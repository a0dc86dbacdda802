"""One end of a session: what it counts, and what it says to the other end. Pure logic.

docs/session-protocol.md is its specification. The core is told what arrives, what the application
is done with, and when connections come and go; it knows what is to be sent. ::

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
"""After how many seconds at most something is acknowledged that is done.

Until then its sender holds it, and sends it again if this end is gone. An acknowledgement is a
frame of some 15 bytes. Measured beside messages of 64 bytes, frames included: 12 % of their bytes
at one message a second, 1.8 % at 10 a second, 0.2 % at 100 a second.
"""
_ACK_MESSAGES = 512
_MOST_NOT_KEPT = 2**16
_ACK_BYTES = 2**20


class Hello(NamedTuple):
    """What a client's first control says: which session, and how far it has received it."""

    session: str | None
    """``None``: a new one."""
    received: int
    window: Window
    connection: int = 1
    """The number of this connection."""

    @classmethod
    def parse(cls, message: Any) -> Hello:
        """The first message of a connection, at the server.

        Raises:
            ProtocolError: It is something else.
        """
        if not control.is_control(message):
            raise ProtocolError("a message has come before the session")
        kind, value = control.decode(message)
        if kind not in ("open", "resume"):
            raise ProtocolError("a control has come at the wrong time")
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
    """What both ends have in common.

    Args:
        outbox: The messages that this end sends. Nothing else may confirm them or lose them, and
            none has a key. Its bounds of what is unconfirmed are the most that this end keeps.
        window: How much the other end may send that is not acknowledged.
        done: How many messages were received and done before.
        connection: How many connections there were before.

    Attributes:
        received: How many messages have arrived.
        done: How many of these the application is done with.
        connection: The number of the last connection, from 1.
        is_joined: Whether there is a connection that both ends go on with.
        failure: What the other end has done wrong, after which nothing of it is heeded.
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
        # What the last acknowledgement said, and up to where another one was asked for.
        self._acknowledged = done
        self._acknowledged_bytes = 0
        self._asked_until = 0
        self._ack_messages = min(max(1, window.messages // 4), _ACK_MESSAGES)
        self._ack_bytes = min(max(1, window.size // 4), _ACK_BYTES)
        # What of our own messages the last question was about.
        self._asked_about = 0
        self._is_asking = False
        # What is to be said: one of each at most, however long that cannot be sent.
        self._answer: str | None = None
        self._is_ack_due = False
        self._is_ask_due = False

    @property
    def confirmed(self) -> int:
        """How many of the messages that this end has sent are done at the other one."""
        return self.outbox.sent - self.outbox.unconfirmed

    @property
    def is_asking(self) -> bool:
        """Whether a question has had no answer yet."""
        return self._is_asking

    @property
    def has_unacknowledged(self) -> bool:
        """Whether something is done that was not acknowledged.

        :meth:`acknowledge` is to be called when this has been so for :data:`ACK_DELAY`.
        """
        return self.done > self._acknowledged

    def receive(self, messages: Sequence[Any]) -> list[Any]:
        """The application's messages among those that have arrived, up to a :attr:`failure`."""
        if self.failure is not None:
            return []
        arrived: list[Any] = []
        # What begins as a control does is looked for, and what is between taken as a whole.
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
        """The application is done with ``done`` messages in all; of the others ``size_held`` bytes
        (of text: characters) are held.
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
        """Says what is done."""
        if self.is_joined:
            if self.done >= self._asked_until:
                self._asked_until = 0
            self._acknowledged, self._acknowledged_bytes = self.done, self._done_bytes
            self._is_ack_due = True

    @property
    def has_unasked(self) -> bool:
        """Whether to :meth:`ask` would tell more than the answers that are still to come."""
        return not self._is_asking and self.outbox.sent > max(self._asked_about, self.confirmed)

    @property
    def is_short_of_window(self) -> bool:
        """Whether the window is half full, and of that half was not asked about yet."""
        unasked = self.outbox.sent - max(self._asked_about, self.confirmed)
        return self.outbox.is_window_half_full and 2 * unasked >= self.outbox.unconfirmed

    def ask(self) -> None:
        """Asks for an acknowledgement; of what is to be sent again, after that was.

        The answer comes at once, and another one when all is done that was sent before.
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
        """What is to be sent now, before further messages."""
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
        """The connection was lost, and with it what was not sent of the controls."""
        self.is_joined = False
        self._is_asking = False
        self._asked_until = self._asked_about = 0
        self._answer = None
        self._is_ack_due = self._is_ask_due = False

    def _join(
        self, received: int, window: Window, *, sent: int | None = None, answer: str | None = None
    ) -> list[Delivery]:
        """The other end goes on after ``received`` messages; returns what it has to be sent again.

        Args:
            received: What it says.
            window: What it says.
            sent: How many messages had been sent before this connection, if not all.
            answer: What is to be said before all else.

        Raises:
            ProtocolError: It cannot have received so many, or has said before that it had more.
        """
        sent = self.outbox.sent if sent is None else sent
        if not self.confirmed <= received <= sent:
            raise ProtocolError("what the other end says it has received it cannot have")
        self.disconnect()
        self.outbox.limit(*window)
        self.is_joined = True
        self._answer = answer
        if self.done:
            self.acknowledge()  # The last one may have been lost.
        # If not all, there was nothing to be sent again.
        return self.outbox.resend_from(received) if sent == self.outbox.sent else []

    def _sort(self, text: str, arrived: list[Any]) -> None:
        """Heeds a text that begins as a control does, or takes it as the message that it marks."""
        if text.startswith(control.DLE, 1):
            self._take([text[1:]], arrived)
        else:
            self._on_control(*control.decode(text))

    def _take(self, messages: Sequence[Any], arrived: list[Any]) -> None:
        """Counts messages of the application, and adds them to those that have ``arrived``."""
        if not messages:
            return
        if not self.is_joined:
            raise ProtocolError("a message has come before the session")
        size = sum(map(len, messages))
        if self._fits(len(messages), size):
            self.received += len(messages)
            self._received_bytes += size
            arrived.extend(messages)
        elif len(messages) == 1:
            raise ProtocolError("more was sent than the window", control.TOO_MUCH)
        else:
            for message in messages:
                self._take([message], arrived)

    def _fits(self, count: int, size: int) -> bool:
        """Whether so many more messages, of ``size`` bytes, are within the window."""
        held = self.received - self.done + count
        size += self._received_bytes - self._done_bytes
        return held <= self.window.messages and (held <= 1 or size <= self.window.size)

    def _on_control(self, kind: str, value: Any) -> None:
        if self.is_joined and kind == "ack":
            confirmed = control.number(value)
            if not self.confirmed <= confirmed <= self.outbox.sent:
                raise ProtocolError("what was acknowledged was not sent")
            self._is_asking = False
            self.outbox.confirm_before(confirmed, "session")
        elif self.is_joined and kind == "ask":
            self._asked_until = self.received
            self.acknowledge()
        else:
            raise ProtocolError("a control has come at the wrong time")


class ServerCore(Core):
    """The server's end; what the client's first control says is for whoever holds the sessions."""

    def open(self, hello: Hello, session: str, expires: float) -> None:
        """Begins the session.

        Args:
            hello: What the client has said.
            session: The secret with which it will resume.
            expires: For how many seconds without a connection the session is kept.
        """
        self.connection: int = hello.connection
        said = {"session": session, "expires": expires, "window": self.window}
        self._join(0, hello.window, answer=control.encode("opened", said))

    def resume(self, hello: Hello, expires: float) -> list[Delivery]:
        """Goes on over a new connection; returns what is to be sent again, after the controls.

        Raises:
            ProtocolError: The client cannot have received what it says it has, or has begun another
                connection since; nothing has changed.
        """
        if hello.connection <= self.connection:
            raise ProtocolError("the session goes on over a later connection", control.TAKEN_OVER)
        said = {"received": self.received, "expires": expires, "window": self.window}
        again = self._join(hello.received, hello.window, answer=control.encode("resumed", said))
        self.connection = hello.connection
        return again


class ClientCore(Core):
    """The client's end.

    Attributes:
        session: The secret with which to resume; ``None`` before there is a session.
        expires: For how many seconds without a connection the server keeps it.
        again: What is to be sent again, since the connection was joined.
        kept: What a former page had not sent when it has kept the session, and may have sent
            since; ``None``: there was none.
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
        # How many messages had been sent when this connection began.
        self._sent_before = outbox.sent
        # Whether the server has said how much it takes: one that resumes a session that was kept
        # for it does not know yet.
        self._knows_window = False
        # Up to where all counts as done, though the server has not said that it is.
        self._assumed = 0
        self.expires: float = 0.0
        self.again: list[Delivery] = []
        self.kept: list[Any] | None = None

    @property
    def need_not_wait(self) -> bool:
        """Whether new messages may go right behind :meth:`hello`: the server has all others."""
        return self._knows_window and not self.outbox.unconfirmed

    def hello(self) -> str:
        """The first message of a connection."""
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
        """The server has ``received`` more than the former page has kept, which has sent it."""
        outbox = self.outbox
        outbox.mark_sent(kept[: max(0, received - outbox.sent)])
        if outbox.sent < received <= outbox.sent + _MOST_NOT_KEPT:
            # What was not kept is the server's alone now; so is what comes before.
            outbox.confirm_before(outbox.sent, "session")
            outbox.sent = self._assumed = received
        self._sent_before = outbox.sent

    def _is_assumed(self, value: Any) -> bool:
        """Whether an acknowledgement is of what counts as done already."""
        return control.number(value) < self._assumed
