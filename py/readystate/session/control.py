"""What ``readystate.v1`` puts between an application's messages. Pure logic.

docs/session-protocol.md is its specification.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, NoReturn

SUBPROTOCOL = "readystate.v1"
"""The name of the protocol, and its version."""

DLE = "\x10"
"""What a control begins with, "data link escape"; a text that begins with it gets a second one."""

PROTOCOL_ERROR = 4400
NO_SUCH_SESSION = 4404
TAKEN_OVER = 4409
FAILED = 4411
TOO_MUCH = 4413
TRY_AGAIN = 1013

EXPIRED = "expired"
FORGOTTEN = "forgotten"
"""What a reason with 4404 begins with, if the server can tell: see :func:`why_gone`."""

MAX_NUMBER = 2**53 - 1
"""The largest whole number that JavaScript has too."""
_MAX_LENGTH = 4096
_MAX_WINDOW = 2**31
_MAX_SECONDS = sys.float_info.max
_KINDS = frozenset({"open", "opened", "resume", "resumed", "ack", "ask"})
_SESSION_ID = re.compile("[A-Za-z0-9_-]{16,256}")


class ProtocolError(Exception):
    """The other end has sent what the protocol does not have.

    Attributes:
        code: What to close the connection with.
        reason: The same in words, without anything of what was sent.
    """

    def __init__(self, reason: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class Window(NamedTuple):
    """How much may be sent and not acknowledged."""

    messages: int
    size: int
    """In bytes; one message may always be on its way, however long it is."""


def ends_session(code: int) -> bool:
    """Whether a close frame with this code ends a session, and not the connection alone."""
    return code == 1000 or 3000 <= code <= 4999


def why_gone(reason: str) -> Literal["expired", "forgotten", "unknown"]:
    """Why there is no such session, by the reason of a close frame with 4404."""
    word = reason.partition(":")[0]
    return "expired" if word == EXPIRED else "forgotten" if word == FORGOTTEN else "unknown"


def escape(messages: Iterable[Any]) -> list[Any]:
    """Messages as they are sent: a text that looks like a control is marked as none."""
    # What is_control() says, without calling it for each.
    return [
        DLE + message if isinstance(message, str) and message[:1] == DLE else message
        for message in messages
    ]


def is_control(message: Any) -> bool:
    """Whether a message (``str``, ``bytes`` or a ``Blob``) begins as a control does."""
    return isinstance(message, str) and message.startswith(DLE)


def encode(kind: str, value: Any) -> str:
    """A control."""
    return DLE + json.dumps({kind: value}, separators=(",", ":"))


def decode(text: str) -> tuple[str, Any]:
    """The kind of a control that has arrived, and what it says.

    Raises:
        ProtocolError: It is none.
    """
    if len(text) > len(DLE) + _MAX_LENGTH:
        raise ProtocolError("a control is too long")
    try:
        control = _decoder.decode(text[1:])
    except (ValueError, RecursionError):
        raise ProtocolError("a control is not JSON") from None
    if not isinstance(control, dict) or len(control) != 1:
        raise ProtocolError("a control is not an object with one member")
    ((kind, value),) = control.items()
    if kind not in _KINDS:
        raise ProtocolError("a control is of an unknown kind")
    return kind, value


def members(value: Any) -> dict[str, Any]:
    """``value``, if it is an object.

    Raises:
        ProtocolError: It is not.
    """
    if not isinstance(value, dict):
        raise ProtocolError("a control has no members")
    return value


def number(value: Any) -> int:
    """``value``, if it is a count of messages.

    Raises:
        ProtocolError: It is not.
    """
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise ProtocolError("a number of messages is none")
    return value


def seconds(value: Any) -> float:
    """``value``, if it is a number of seconds.

    Raises:
        ProtocolError: It is not.
    """
    if type(value) not in (int, float) or not 0 <= value <= _MAX_SECONDS:
        raise ProtocolError("a number of seconds is none")
    return float(value)


def window(value: Any) -> Window:
    """``value``, if it is a window; one that nobody could fill is cut.

    Raises:
        ProtocolError: It is not.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise ProtocolError("a window is none")
    messages, size = map(number, value)
    if not messages or not size:
        raise ProtocolError("a window is empty")
    return Window(min(messages, _MAX_WINDOW), min(size, _MAX_WINDOW))


def session_id(value: Any) -> str:
    """``value``, if it has the form of a session's id.

    Raises:
        ProtocolError: It has not.
    """
    if not (isinstance(value, str) and _SESSION_ID.fullmatch(value)):
        raise ProtocolError("an id is none")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)
