"""URLs without secrets, for errors and logs. Pure logic."""

from __future__ import annotations

import re

__all__ = ["network_of", "redacted", "shown"]

_SCHEME = r"(?:(?:wss?|https?):|[a-z][a-z0-9+.-]*:(?=//))?[/\\]*"
# Compiled when first used: that takes a page longer than to import the rest of this module.
_PARTS = rf"(?is)({_SCHEME})([^/\\?#]*)(.*)"
_HOST = r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?"
_C0_AND_SPACE = "".join(map(chr, range(0x21)))
_LOOPBACK = (
    r"(?i)(?:.*\.)?localhost\.?|127\.\d+\.\d+\.\d+|\[::1\]|\[::ffff:(?:127\.|7f)[0-9a-f.:]+\]"
)
_LOCAL = (
    r"(?i)(?:10|172\.(?:1[6-9]|2\d|3[01])|192\.168|169\.254)(?:\.\d+)+|\[f(?:[cd]|e[89ab])[0-9a-f:]+\]"
    r"|.*\.local\.?"
)


def network_of(url: object) -> str:
    """``"loopback"``, this machine, or ``"local"``, its network, if ``url`` says so; else empty."""
    match = re.match(_PARTS, _split(url)[0])
    assert match is not None  # noqa: S101 - it matches everything
    host = re.match(_HOST, match[2])
    name = host[0].rpartition(":")[0] if host and re.search(r":[0-9]*$", host[0]) else match[2]
    if not match[1].endswith("//"):
        return ""
    if re.fullmatch(_LOOPBACK, name):
        return "loopback"
    return "local" if re.fullmatch(_LOCAL, name) else ""


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
    match = re.match(_PARTS, text)
    assert match is not None  # noqa: S101 - it matches everything
    scheme, authority, tail = match.groups()
    user, _, host = authority.rpartition("@")
    if "@" in tail and not re.fullmatch(_HOST, host):
        # A password with "/", "?" or "#" in it, which should have been escaped.
        user, _, rest = (authority + tail).rpartition("@")
        host, tail = re.split(r"(?=[/\\?#])", f"{rest}/", maxsplit=1)
        tail = tail.removesuffix("/")
    tail, _, fragment = tail.partition("#")
    path, _, query = tail.partition("?")
    return f"{scheme}{host}{path}", user, query, fragment
