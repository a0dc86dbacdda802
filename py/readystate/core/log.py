"""What the logger ``readystate`` logs: never payloads or secrets.

INFO: each connection made and lost. DEBUG: each change of state, and what is sent. WARNING: what
users should see by default.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from ..exceptions import ConnectionClosed, ConnectionFailed

logger: logging.Logger = logging.getLogger("readystate")

is_debugging: Callable[[], bool] = functools.partial(logger.isEnabledFor, logging.DEBUG)
"""Whether DEBUG is enabled."""


def connected(who: Any, attempt: int = 1) -> None:
    """Logs a new connection."""
    logger.info("%s: connected, attempt %d", who, attempt)


def ended(who: Any, error: Exception, seconds: float) -> None:
    """Logs the end of a connection after ``seconds``."""
    logger.info("%s: the connection has ended after %.1f s: %s", who, seconds, _why(error))


def failed(who: Any, error: Exception, attempt: int) -> None:
    """Logs a failed attempt; the 3rd, 10th, 20th ... 100th ... in a row as a WARNING."""
    is_notable = attempt == 3 or (attempt >= 10 and set(str(attempt)[1:]) == {"0"})
    level = logging.WARNING if is_notable else logging.INFO
    logger.log(level, "%s: attempt %d failed: %s", who, attempt, _why(error))


def waits(who: Any, delay: float) -> None:
    """Logs the wait for the next attempt."""
    logger.info("%s: next attempt in %.1f s", who, delay)


def over(who: Any, error: Exception) -> None:
    """Logs the end for good."""
    logger.info("%s: ended for good: %s", who, _why(error))


def left(who: Any, error: BaseException, count: int, size: int) -> None:
    """Warns that an exception in a block has dropped messages."""
    logger.warning(
        "%s: closed at once after %s in its block: %d unconfirmed messages of %d bytes are dropped",
        who,
        type(error).__name__,
        count,
        size,
    )


def left_unsent(who: Any, error: BaseException, unsent: int) -> None:
    """Warns that an exception in a block has left bytes unsent."""
    logger.warning(
        "%s: closed at once after %s in its block: %d bytes had not left the page, and may be lost",
        who,
        type(error).__name__,
        unsent,
    )


def state(who: Any, state: Any) -> None:
    """Logs a change of state."""
    logger.debug("%s: %s", who, state)


def sends(who: Any, count: int, size: float, again: int = 0) -> None:
    """Logs that ``count`` messages are sent, ``again`` of them once more."""
    logger.debug("%s: sends %d messages of %d bytes in total, %d again", who, count, size, again)


def _why(error: Exception) -> str:
    """Describes ``error``; only by its type if it is not the package's, as its text may hold
    secrets.
    """
    if isinstance(error, (ConnectionClosed, ConnectionFailed)):
        return str(error)
    return type(error).__name__
