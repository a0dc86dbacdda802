"""URLs without secrets, for errors and logs. Pure logic."""

from __future__ import annotations

import re

__all__ = ["redacted", "shown"]

_SCHEME = r"(?:(?:wss?|https?):|[a-z][a-z0-9+.-]*:(?=//))?[/\\]*"
_PARTS = re.compile(rf"({_SCHEME})([^/\\?#]*)(.*)", re.DOTALL | re.IGNORECASE)
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
_C0_AND_SPACE = "".join(map(chr, range(0x21)))


def shown(url: object) -> str:
    """Returns ``url`` without user info, query and fragment, which may hold secrets.

    It need not be well-formed.
    """
    return _split(url)[0]


def redacted(message: str, url: object) -> str:
    """Returns the browser's ``message`` about ``url`` without the secrets of that."""
    text = str(url).strip(_C0_AND_SPACE)
    short, *secrets = _split(text)
    if short == text:
        return message
    message = message.replace(text, short)
    for secret in filter(None, secrets):
        message = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", message)
    return message


def _split(url: object) -> tuple[str, str, str, str]:
    """Splits ``url`` into what may be shown, user info, query and fragment."""
    text = str(url).strip(_C0_AND_SPACE)
    match = _PARTS.match(text)
    assert match is not None  # noqa: S101 - it matches everything
    scheme, authority, tail = match.groups()
    user, _, host = authority.rpartition("@")
    if "@" in tail and not _HOST.fullmatch(host):
        # A password with "/", "?" or "#" in it, which should have been escaped.
        user, _, rest = (authority + tail).rpartition("@")
        host, tail = re.split(r"(?=[/\\?#])", f"{rest}/", maxsplit=1)
        tail = tail.removesuffix("/")
    tail, _, fragment = tail.partition("#")
    path, _, query = tail.partition("?")
    return f"{scheme}{host}{path}", user, query, fragment
