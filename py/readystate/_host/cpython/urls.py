"""Parses and normalizes the URL of a WebSocket server, as browsers do.

https://url.spec.whatwg.org/#url-parsing, as far as it concerns ``ws:`` and ``wss:``.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import socket
from urllib.parse import quote, unquote_to_bytes

from ...core.addresses import shown
from ...core.binary import utf8
from ...exceptions import DOMSyntaxError

__all__ = ["Address", "parse_url"]

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_DEFAULT_PORTS = {"ws": 80, "wss": 443}

_C0_AND_SPACE = "".join(map(chr, range(0x21)))
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"[/\\]*([^/\\?]*)([^?]*)(?:\?(.*))?", re.DOTALL)
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^`{|}\x7f]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PARENT = re.compile(r"(?:\.|%2e)(?:\.|%2e)", re.IGNORECASE)
_SELF = re.compile(r"\.|%2e", re.IGNORECASE)

# What is not percent-encoded, besides letters, digits and "_.-~".
_SAFE_IN_USER = "!$%&'()*+,"
_SAFE_IN_PATH = "!$%&'()*+,/:;=@[\\]|"
_SAFE_IN_QUERY = "!$%&()*+,/:;=?@[\\]^`{|}"


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL.

    Attributes:
        scheme: ``"ws"`` or ``"wss"``.
        user: The user's name and password, still encoded; ``None`` if there is none.
        host: The host, IPv6 without brackets.
        port: The port, explicit or default.
        path: The path, at least ``"/"``.
        query: The query, ``None`` if there is none.
    """

    scheme: str
    user: tuple[str, str] | None
    host: str
    port: int
    path: str
    query: str | None

    @property
    def is_secure(self) -> bool:
        return self.scheme == "wss"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self._authority}"

    @property
    def url(self) -> str:
        """The normalized URL."""
        user = ""
        if self.user is not None:
            name, password = self.user
            user = f"{name}:{password}@" if password else f"{name}@"
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.scheme}://{user}{self._authority}{self.path}{query}"

    @property
    def _authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Without user and query, which may be secret."""
        return f"{self.origin}{self.path}"


def parse_url(url: str) -> Address:
    """Parses ``url``.

    Raises:
        DOMSyntaxError: It is relative, has a fragment, or cannot be parsed.
    """
    text = re.sub(r"[\t\n\r]", "", url.strip(_C0_AND_SPACE))
    match = _SCHEME.match(text)
    if match is None:
        raise _bad(url, "is relative, but there is no page here that it could be relative to")
    given = match[1].lower()
    if given not in _SCHEMES:
        raise _bad(url, f"has the scheme {given!r} rather than ws, wss, http or https")
    rest = text[match.end() :]
    if "#" in rest:
        raise _bad(url, "has a fragment, which a WebSocket URL must not have")
    parts = _AUTHORITY.fullmatch(rest)
    assert parts is not None  # noqa: S101 - it matches everything
    authority, path, query = parts.groups()
    scheme = _SCHEMES[given]
    try:
        user, host, port = _parse_authority(authority)
    except ValueError as error:
        raise _bad(url, str(error)) from None
    return Address(
        scheme,
        user,
        host,
        _DEFAULT_PORTS[scheme] if port is None else port,
        _normal_path(path),
        None if query is None else _encoded(query, _SAFE_IN_QUERY),
    )


def _bad(url: str, problem: str) -> DOMSyntaxError:
    return DOMSyntaxError(f"the URL {shown(url)!r} {problem}")


def _parse_authority(authority: str) -> tuple[tuple[str, str] | None, str, int | None]:
    info, at, place = authority.rpartition("@")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", place, re.DOTALL)
    if match is None:
        raise ValueError("has an invalid host or port")
    user = None
    if at and info not in ("", ":"):
        name, _, password = info.partition(":")
        user = (_encoded(name, _SAFE_IN_USER), _encoded(password, _SAFE_IN_USER))
    return user, _parse_host(match[1]), _parse_port(match[2])


def _parse_port(port: str | None) -> int | None:
    if not port:
        return None
    if not re.fullmatch("[0-9]+", port) or int(port) > 65535:
        raise ValueError("has a port that is not a number up to 65535")
    return int(port)


def _parse_host(host: str) -> str:
    if not host:
        raise ValueError("has no host")
    if host.startswith("["):
        if "%" in host:
            raise ValueError("has a host that is not an IPv6 address")
        try:
            return ipaddress.IPv6Address(host[1:-1]).compressed
        except ValueError:
            raise ValueError("has a host that is not an IPv6 address") from None
    name = unquote_to_bytes(utf8(host)).decode(errors="replace")
    try:
        name = name.lower() if name.isascii() else name.encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError("has a host that is not a domain name") from None
    if not name or _FORBIDDEN_IN_HOST.search(name):
        raise ValueError("has a host with invalid characters")
    return _parse_ipv4(name) if _ends_in_number(name) else name


def _ends_in_number(name: str) -> bool:
    return _NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]) is not None


def _parse_ipv4(name: str) -> str:
    try:
        return socket.inet_ntoa(socket.inet_aton(name.removesuffix(".")))
    except OSError:
        raise ValueError("has a host that is not an IPv4 address") from None


def _normal_path(path: str) -> str:
    """Resolves "." and ".." in the path, and percent-encodes it."""
    segments = path.replace("\\", "/").split("/")[1:]
    normal: list[str] = []
    for number, segment in enumerate(segments, 1):
        is_last = number == len(segments)
        if _PARENT.fullmatch(segment):
            del normal[-1:]
        elif not _SELF.fullmatch(segment):
            normal.append(segment)
            continue
        if is_last:
            normal.append("")
    return "/" + _encoded("/".join(normal), _SAFE_IN_PATH)


def _encoded(text: str, safe: str) -> str:
    return quote(utf8(text), safe=safe)
