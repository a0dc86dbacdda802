"""What is kept of a client's session between pages. Pure logic."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple


class Snapshot(NamedTuple):
    """The state that is needed to resume a session."""

    session: str | None
    """The secret; ``None`` if it was never opened."""
    connection: int
    """The number of its last connection."""
    done: int
    """How many of the server's messages were done."""
    confirmed: int
    """How many of the client's messages were confirmed."""
    sent: list[str | bytes]
    """The client's messages that were sent after these."""
    waiting: list[str | bytes]
    """The client's messages that were not sent."""

    def dump(self) -> str:
        """Returns it as text."""
        sent, waiting = (list(map(_plain, messages)) for messages in (self.sent, self.waiting))
        numbers = self.connection, self.done, self.confirmed
        return json.dumps([self.session, *numbers, sent, waiting], ensure_ascii=False)

    def first(self, count: int) -> Snapshot:
        """Returns it with only the first ``count`` messages."""
        sent = self.sent[:count]
        return self._replace(sent=sent, waiting=self.waiting[: count - len(sent)])

    @classmethod
    def load(cls, text: str) -> Snapshot:
        """Parses the result of :meth:`dump`.

        Raises:
            ValueError: ``text`` is invalid.
        """
        try:
            session, *counts, sent, waiting = json.loads(text)
            connection, done, confirmed = map(int, counts)
            if not (session is None or isinstance(session, str)):
                raise TypeError
            messages = list(map(_message, sent)), list(map(_message, waiting))
            return cls(session, connection, done, confirmed, *messages)
        except (TypeError, ValueError) as error:
            raise ValueError("not a snapshot of a session") from error


def _plain(message: str | bytes) -> Any:
    return message if isinstance(message, str) else [base64.b64encode(message).decode()]


def _message(plain: Any) -> str | bytes:
    if isinstance(plain, str):
        return plain
    (text,) = plain
    return base64.b64decode(text, validate=True)
