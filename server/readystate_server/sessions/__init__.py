"""The server's end of sessions: exactly-once delivery across lost connections."""

from typing import TYPE_CHECKING, Any

from readystate.session.control import SUBPROTOCOL

from .server_session import ServerSession
from .sessions import Sessions
from .stats import Health, SessionsStats
from .store import MemoryStore, Store

if TYPE_CHECKING:
    from .redis_store import RedisStore

__all__ = [
    "SUBPROTOCOL",
    "Health",
    "MemoryStore",
    "RedisStore",
    "ServerSession",
    "Sessions",
    "SessionsStats",
    "Store",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Only RedisStore needs the redis library.
        if name != "RedisStore":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .redis_store import RedisStore

        return RedisStore
