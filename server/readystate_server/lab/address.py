"""The address of a server: its host, port and URLs."""

from collections.abc import Mapping
from urllib.parse import urlencode


class Address:
    """A host and a port."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port: int = port

    @property
    def url(self) -> str:
        """The server's origin, without a slash at the end."""
        return f"http://{self._authority}"

    def url_for(self, path: str, **query: object) -> str:
        """Return the URL of `path`."""
        return f"{self.url}{path}{encode(query)}"

    def ws_url(self, path: str, **query: object) -> str:
        """Return the WebSocket URL of `path`."""
        return f"ws://{self._authority}{path}{encode(query)}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def encode(query: Mapping[str, object]) -> str:
    """Return a URL's query with its question mark; nothing for an empty one."""
    return f"?{urlencode(query)}" if query else ""
