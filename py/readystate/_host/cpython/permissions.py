"""The visitor's permission for connections, of which there is none here."""

# ruff: noqa: ARG001 - the parameters are the port's

from __future__ import annotations

__all__ = ["local_permission"]


def local_permission(url: str) -> str:
    """The name and state of the permission that a connection to ``url`` needs: none."""
    return ""
