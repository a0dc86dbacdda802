"""What holds in every engine: the cases, which run in Pyodide wherever there is a ``WebSocket``.

On CPython they can be listed, and no more.
"""

from __future__ import annotations

from . import buffer, closing, connections, data, opening, queues, throwing
from .case import Case

__all__ = ["ALL", "Case"]

ALL: dict[str, Case] = {
    case.name: case
    for module in (throwing, opening, closing, data, buffer, connections, queues)
    for case in module.CASES
}
"""All cases, by their names, in the order in which they run."""
