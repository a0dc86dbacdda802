"""A server whose connections a test can break."""

import http.client
import json
from urllib.parse import quote

from .address import Address, encode

ANSWER_TIMEOUT = 30.0
"""Seconds that an answer may take."""


class Breakable(Address):
    """What a running server is told to do, over HTTP, to the connections of an id.

    Each method returns to how many connections (or sessions) that was done; 0 is no error.
    """

    def drop(self, id: str, after: float = 0) -> int:
        """Reset TCP, in `after` seconds; until then they are deaf."""
        return self._fault(id, "connections", drop=after)

    def deafen(self, id: str) -> int:
        """Have them hear and say nothing more, a close neither: they are half-open."""
        return self._fault(id, "connections", deaf=1)

    def refuse(self, id: str, seconds: float) -> None:
        """Answer the id's handshakes with 503 for so long from now on; 0: no longer."""
        self._fault(id, "connections", refuse=seconds)

    def forget(self, id: str) -> int:
        """End the sessions of /ws/session."""
        return self._fault(id, "sessions", forget=1)

    def _fault(self, id: str, count: str, **query: float) -> int:
        status, body = self._ask("POST", f"/faults/{quote(id, safe='')}{encode(query)}")
        if status != http.HTTPStatus.OK:
            raise ValueError(body.strip())
        return int(json.loads(body)[count])

    def _ask(self, method: str, path: str, wait: float = 0) -> tuple[int, str]:
        # urllib.request would ask a proxy that the environment names.
        connection = http.client.HTTPConnection(self.host, self.port, timeout=wait + ANSWER_TIMEOUT)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
