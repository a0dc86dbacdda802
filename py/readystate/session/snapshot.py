"""What is kept of a client's end of a session while no page has it. Pure logic."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple


class Snapshot(NamedTuple):
    """A client's end of a session: enough to resume it."""

    session: str | None
    """The secret; ``None`` if the server has never been reached."""
    connection: int
    """The number of its last connection."""
    done: int
    """How many of the server's messages the application was done with."""
    confirmed: int
    """How many of its own were confirmed."""
    sent: list[str | bytes]
    """Those that come after these, and were sent."""
    waiting: list[str | bytes]
    """Those that were not."""

    def dump(self) -> str:
        """It as text."""
        sent, waiting = (list(map(_plain, messages)) for messages in (self.sent, self.waiting))
        numbers = self.connection, self.done, self.confirmed
        return json.dumps([self.session, *numbers, sent, waiting], ensure_ascii=False)

    def first(self, count: int) -> Snapshot:
        """It with the first ``count`` messages only."""
        sent = self.sent[:count]
        return self._replace(sent=sent, waiting=self.waiting[: count - len(sent)])

    @classmethod
    def load(cls, text: str) -> Snapshot:
        """What :meth:`dump` has made.

        Raises:
            ValueError: It has not made this.
        """
        try:
            session, *counts, sent, waiting = json.loads(text)
            connection, done, confirmed = map(int, counts)
            if not (session is None or isinstance(session, str)):
                raise TypeError
            messages = list(map(_message, sent)), list(map(_message, waiting))
            return cls(session, connection, done, confirmed, *messages)
        except (TypeError, ValueError) as error:
            raise ValueError("this is no snapshot of a session") from error


def _plain(message: str | bytes) -> Any:
    return message if isinstance(message, str) else [base64.b64encode(message).decode()]


def _message(plain: Any) -> str | bytes:
    if isinstance(plain, str):
        return plain
    (text,) = plain
    return base64.b64decode(text, validate=True)
