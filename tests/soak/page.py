"""What the soak test runs in the page: many sockets that send over connections that fail."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from typing import Any

from tests.faults import send_through

APART = 0.05
"""Seconds between the first attempts of two sockets: browsers delay what connects at once."""
PATIENCE = 120
"""In how many seconds, after the last message, all sockets must have closed."""


async def soak(*, sockets: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Has sockets send, each with arguments of its own for ``send_through()``; what each says."""
    import js
    from pyodide.ffi import create_proxy

    async def send(number: int, arguments: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(number * APART)
        return await send_through(**arguments)

    sending = [asyncio.ensure_future(send(*each)) for each in enumerate(sockets)]
    # A cancelled timer of Pyodide's loop would live on until it would have been time.
    late = asyncio.get_running_loop().create_future()
    on_late = create_proxy(lambda: late.set_result(None))
    timer = js.setTimeout(on_late, (seconds + PATIENCE) * 1000)
    together = asyncio.gather(*sending)
    try:
        await asyncio.wait([together, late], return_when=asyncio.FIRST_COMPLETED)
    finally:
        js.clearTimeout(timer)
        on_late.destroy()
        # Else a round would begin with the accounts of those before it, which hold all messages.
        gc.collect()
    if not together.done():
        still = [
            arguments["id"]
            for arguments, one in zip(sockets, sending, strict=True)
            if not one.done()
        ]
        raise AssertionError(f"not closed within {PATIENCE} s: {still}")
    return together.result()


def of_readystate() -> dict[str, int]:
    """How many objects there are of each of the package's classes."""
    gc.collect()
    types = (type(thing) for thing in gc.get_objects())
    return dict(Counter(t.__qualname__ for t in types if t.__module__.startswith("readystate")))


def proxies() -> tuple[int, int]:
    """How many Python objects JavaScript holds, and how many JavaScript objects Python holds."""
    import pyodide_js

    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    gc.collect()
    return module.pyproxy_alloc_map.size, module._hiwire_num_refs()


def allocated() -> int:
    """How many bytes are allocated; Pyodide's Python has no allocator of its own."""
    import pyodide_js

    module = pyodide_js._module
    numbers = module._malloc(40)
    module._mallinfo(numbers)
    used = int(module.HEAPU32[numbers // 4 + 7])
    module._free(numbers)
    return used


async def loaded() -> None:
    """Makes what the package makes once, and keeps, when many texts come together.

    They may come so only after the warm-up, when a busy machine has them wait for the page.
    """
    from readystate._host.js.inbox import _heap_reader

    _heap_reader()


async def measured() -> dict[str, Any]:
    """What there is now."""
    import pyodide_js

    await asyncio.sleep(0)
    held = proxies()
    return {
        "proxies": held,
        "objects": of_readystate(),
        "allocated": allocated(),
        "tracked": len(gc.get_objects()),
        "memory": pyodide_js._module.HEAP8.length,
    }


async def settled(*, before: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What there is as soon as nothing of the sockets is left, or so many seconds have passed.

    An abandoned connection is the browser's until it gives up its closing handshake.
    """
    since = time.monotonic()
    while True:
        now = await measured()
        now["seconds"] = time.monotonic() - since
        is_over = now["proxies"] == before["proxies"] and now["objects"] == before["objects"]
        if is_over or now["seconds"] >= seconds:
            return now
        await asyncio.sleep(0.5)
