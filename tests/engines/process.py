"""Runs the cases in CPython, and prints what became of each, a line each.

process.py <server> <folder of Pyodide> <request as JSON>
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.engines.cases.running import run


def tell(result: str) -> None:
    sys.stdout.write(f"{result}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    server, _, request = sys.argv[1:]
    asked = json.loads(request)
    asyncio.run(run(asked["engine"], server, asked["failing"], tell))
