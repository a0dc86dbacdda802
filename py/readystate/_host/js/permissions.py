"""The visitor's permission for connections to this machine and the local network."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import js

from ...core.addresses import network_of
from .errors import NativeError
from .values import options

__all__ = ["ask_permission", "local_permission"]

_NAMES: Final = {
    "loopback": ("loopback-network", "local-network-access"),
    "local": ("local-network", "local-network-access"),
}
"""The names of the permission: since Chromium 145, and before."""

# For each network the browser's answer, which it keeps up to date; ``None`` until it has come.
_answers: dict[str, Any] = {}
_tasks: set[asyncio.Task[None]] = set()


def ask_permission(network: str) -> None:
    """Asks the browser once, without a prompt, for what :func:`local_permission` returns."""
    if network in _answers or not _is_needed(network):
        return
    _answers[network] = None
    task = asyncio.ensure_future(_ask(network))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def local_permission(url: str) -> str:
    """Returns the name and state of the permission that a connection to ``url`` needs.

    As ``'loopback-network' is 'denied'``; empty if it needs none, or the state is unknown.
    """
    network = network_of(url)
    answer = _answers.get(network) if _is_needed(network) else None
    if answer is None:
        return ""
    name, status = answer
    return f"{name!r} is {str(status.state)!r}"


def _is_needed(network: str) -> bool:
    """Whether ``network`` is more private than the page's own."""
    nearness = ("", "local", "loopback")
    page = network_of(str(getattr(js, "origin", "")))
    return nearness.index(network) > nearness.index(page)


async def _ask(network: str) -> None:
    permissions = getattr(getattr(js, "navigator", None), "permissions", None)
    if permissions is None or not hasattr(permissions, "query"):
        return
    for name in _NAMES[network]:
        try:
            _answers[network] = name, await permissions.query(options(name=name))
            return
        except NativeError:
            pass  # This browser does not know it.
