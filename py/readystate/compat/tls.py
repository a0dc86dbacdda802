"""Python's ``ssl``, as far as there is one: before Pyodide 314 it is a package to be loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Wrapping", "has_settings", "ssl_module"]


class Wrapping:
    """Changes ``SSLContext.wrap_socket()`` until :meth:`undo`.

    Args:
        takes: Whether it has taken a socket with a context, so that this is all that is done.
    """

    def __init__(self, takes: Callable[[Any, Any], bool]) -> None:
        self._ssl = ssl = ssl_module()
        if ssl is None:
            return
        self._original = original = ssl.SSLContext.wrap_socket

        def wrap_socket(context: Any, sock: Any, *others: Any, **how: Any) -> Any:
            if takes(sock, context):
                return sock
            return original(context, sock, *others, **how)

        ssl.SSLContext.wrap_socket = wrap_socket

    def undo(self) -> None:
        """Restores it."""
        if self._ssl is not None:
            self._ssl.SSLContext.wrap_socket = self._original


def has_settings(context: Any) -> bool:
    """Whether ``context`` is an ``SSLContext`` that is not as Python makes it."""
    ssl = ssl_module()
    if ssl is None or not isinstance(context, ssl.SSLContext):
        return False
    return bool(vars(context) != vars(ssl.create_default_context()))


def ssl_module() -> Any:
    """The module, or ``None``. It may have been loaded since the last call."""
    try:
        import ssl
    except ImportError:
        return None
    return ssl
