"""The control messages of ``readystate.v1``. Pure logic.

Specified in docs/session-protocol.md.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, NoReturn

SUBPROTOCOL = "readystate.v1"
"""The protocol's name and version."""

DLE = "\x10"
""""Data link escape": each control starts with it. A text that starts with it gets a second one."""

PROTOCOL_ERROR = 4400
NO_SUCH_SESSION = 4404
TAKEN_OVER = 4409
FAILED = 4411
TOO_MUCH = 4413
TRY_AGAIN = 1013

EXPIRED = "expired"
FORGOTTEN = "forgotten"
"""How a reason with 4404 starts, if the server knows it: see :func:`why_gone`."""

MAX_NUMBER = 2**53 - 1
"""The largest safe integer of JavaScript."""
_MAX_LENGTH = 4096
_MAX_WINDOW = 2**31
_MAX_SECONDS = sys.float_info.max
_KINDS = frozenset({"open", "opened", "resume", "resumed", "ack", "ask"})
_SESSION_ID = re.compile("[A-Za-z0-9_-]{16,256}")


class ProtocolError(Exception):
    """The other end violates the protocol.

    Attributes:
        code: The close code to send.
        reason: The close reason to send, without any received content.
    """

    def __init__(self, reason: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class Window(NamedTuple):
    """How much may be sent before it is acknowledged."""

    messages: int
    size: int
    """In bytes; one message of any size may always be sent."""


def ends_session(code: int) -> bool:
    """Whether this close code ends the session, not only the connection."""
    return code == 1000 or 3000 <= code <= 4999


def why_gone(reason: str) -> Literal["expired", "forgotten", "unknown"]:
    """Returns why there is no such session, by the close reason with 4404."""
    word = reason.partition(":")[0]
    return "expired" if word == EXPIRED else "forgotten" if word == FORGOTTEN else "unknown"


def escape(messages: Iterable[Any]) -> list[Any]:
    """Encodes messages for sending: marks texts that look like controls."""
    # As is_control(), without a call for each message.
    return [
        DLE + message if isinstance(message, str) and message[:1] == DLE else message
        for message in messages
    ]


def is_control(message: Any) -> bool:
    """Whether a message (``str``, ``bytes`` or a ``Blob``) starts like a control."""
    return isinstance(message, str) and message.startswith(DLE)


def encode(kind: str, value: Any) -> str:
    """Encodes a control."""
    return DLE + json.dumps({kind: value}, separators=(",", ":"))


def decode(text: str) -> tuple[str, Any]:
    """Decodes a control to its kind and its value.

    Raises:
        ProtocolError: It is not a control.
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
        raise ProtocolError("unknown kind of control")
    return kind, value


def members(value: Any) -> dict[str, Any]:
    """Returns ``value`` if it is an object.

    Raises:
        ProtocolError: It is not.
    """
    if not isinstance(value, dict):
        raise ProtocolError("the value of a control is not an object")
    return value


def number(value: Any) -> int:
    """Returns ``value`` if it is a number of messages.

    Raises:
        ProtocolError: It is not.
    """
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise ProtocolError("invalid number of messages")
    return value


def seconds(value: Any) -> float:
    """Returns ``value`` if it is a number of seconds.

    Raises:
        ProtocolError: It is not.
    """
    if type(value) not in (int, float) or not 0 <= value <= _MAX_SECONDS:
        raise ProtocolError("invalid number of seconds")
    return float(value)


def window(value: Any) -> Window:
    """Returns ``value`` as a window, of a sensible size, if it is one.

    Raises:
        ProtocolError: It is not.
    """
    if not isinstance(value, list) or len(value) != 2:
        raise ProtocolError("invalid window")
    messages, size = map(number, value)
    if not messages or not size:
        raise ProtocolError("empty window")
    return Window(min(messages, _MAX_WINDOW), min(size, _MAX_WINDOW))


def session_id(value: Any) -> str:
    """Returns ``value`` if it has the form of a session's id.

    Raises:
        ProtocolError: It does not.
    """
    if not (isinstance(value, str) and _SESSION_ID.fullmatch(value)):
        raise ProtocolError("invalid session id")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)
