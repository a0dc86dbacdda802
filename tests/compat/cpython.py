"""Runs what the tests ask for in CPython, as ``node.mjs`` does in Node.js: the libraries with their
own sockets, which shows that it is right to ask for it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from readystate_server.testing import runner


def answer(value: str) -> None:
    sys.stdout.write(f"answer: {json.dumps(value)}\n")
    sys.stdout.flush()


answer("ready")
for line in sys.stdin:
    answer(asyncio.run(runner.call(*json.loads(line))))
