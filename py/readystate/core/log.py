"""What is logged, by the logger ``readystate``: never payloads, and never secrets.

INFO tells of each connection made and lost, DEBUG of each change of state and of what is sent. What
a person should see without asking for it is a WARNING.
"""

from __future__ import annotations

import logging
from typing import Any

from ..exceptions import ConnectionClosed, ConnectionFailed

logger: logging.Logger = logging.getLogger("readystate")

_DEBUG = logging.DEBUG


def connected(who: Any, attempt: int = 1) -> None:
    """There is a connection."""
    logger.info("%s: connected, attempt %d", who, attempt)


def ended(who: Any, error: Exception, seconds: float) -> None:
    """A connection has ended, after so many seconds."""
    logger.info("%s: the connection has ended after %.1f s: %s", who, seconds, _why(error))


def failed(who: Any, error: Exception, attempt: int) -> None:
    """An attempt has failed; a person is told of many in a row, ever more rarely."""
    is_notable = attempt == 3 or (attempt >= 10 and set(str(attempt)[1:]) == {"0"})
    level = logging.WARNING if is_notable else logging.INFO
    logger.log(level, "%s: attempt %d in a row has failed: %s", who, attempt, _why(error))


def waits(who: Any, delay: float) -> None:
    """Another attempt follows."""
    logger.info("%s: the next attempt begins in %.1f s", who, delay)


def over(who: Any, error: Exception) -> None:
    """There will be no other connection."""
    logger.info("%s: ended for good: %s", who, _why(error))


def left(who: Any, error: BaseException, count: int, size: int) -> None:
    """A block was left because of an exception, which has dropped messages."""
    logger.warning(
        "%s: closed at once, as the block was left because of %s: %d messages of %d bytes in all "
        "that were not confirmed are dropped",
        who,
        type(error).__name__,
        count,
        size,
    )


def left_unsent(who: Any, error: BaseException, unsent: int) -> None:
    """A block was left because of an exception, while the browser held what was sent."""
    logger.warning(
        "%s: closed at once, as the block was left because of %s: %d bytes had not left the page, "
        "and may not arrive",
        who,
        type(error).__name__,
        unsent,
    )


def state(who: Any, state: Any) -> None:
    """Another state."""
    logger.debug("%s: %s", who, state)


def sends(who: Any, count: int, size: float, again: int = 0) -> None:
    """So many messages are being sent; ``again`` of them not for the first time."""
    logger.debug("%s: sends %d messages of %d bytes in all, %d again", who, count, size, again)


def is_debugging() -> bool:
    """Whether it is of use to find out what DEBUG tells."""
    return logger.isEnabledFor(_DEBUG)


def _why(error: Exception) -> str:
    """``error`` in words, as far as these are the package's own: others may hold anything."""
    if isinstance(error, (ConnectionClosed, ConnectionFailed)):
        return str(error)
    return type(error).__name__
