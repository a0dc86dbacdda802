"""What holds in every engine: the cases.

They run in Pyodide, wherever there is a ``WebSocket``, and in CPython.
"""

from __future__ import annotations

from . import buffer, closing, connections, data, opening, queues, throwing
from .case import Case

__all__ = ["ALL", "MODULES", "Case"]

MODULES = (throwing, opening, closing, data, buffer, connections, queues)
ALL: dict[str, Case] = {case.name: case for module in MODULES for case in module.CASES}
"""All cases, by their names, in the order in which they run."""
