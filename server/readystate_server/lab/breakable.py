"""A server whose connections a test can break."""

import http.client
import json
from urllib.parse import quote

from .address import Address, encode

ANSWER_TIMEOUT = 30.0
"""Seconds that a response may take."""


class Breakable(Address):
    """Faults of a running server, triggered over HTTP, for the connections of an id.

    Methods return the number of affected connections (or sessions); 0 is not an error.
    """

    def drop(self, id: str, after: float = 0) -> int:
        """Reset TCP after `after` seconds; until then they are deaf."""
        return self._fault(id, "connections", drop=after)

    def deafen(self, id: str) -> int:
        """Make them ignore all input and send nothing, not even a close: they are half-open."""
        return self._fault(id, "connections", deaf=1)

    def refuse(self, id: str, seconds: float) -> None:
        """Answer the id's handshakes with 503 for `seconds`; 0 stops that."""
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
        # urllib.request would use a proxy from the environment.
        connection = http.client.HTTPConnection(self.host, self.port, timeout=wait + ANSWER_TIMEOUT)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
