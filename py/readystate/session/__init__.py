"""Exactly once: a session that survives lost connections, with both ends in Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .control import SUBPROTOCOL
    from .redis_store import RedisStore
    from .server import Sessions
    from .server_session import ServerSession
    from .store import MemoryStore, Store

__all__ = ["SUBPROTOCOL", "MemoryStore", "RedisStore", "ServerSession", "Sessions", "Store"]

_MODULES = {
    "SUBPROTOCOL": "control",
    "MemoryStore": "store",
    "RedisStore": "redis_store",
    "ServerSession": "server_session",
    "Sessions": "server",
    "Store": "store",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Each module when a name of it is first asked for: a page needs none of the server's.
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
