"""What Python holds in memory."""

from __future__ import annotations

import ctypes
import gc


class Mallinfo(ctypes.Structure):
    """C's ``struct mallinfo``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated() -> int:
    """The bytes that are allocated in WebAssembly's memory, once garbage has been collected.

    ``sys.getallocatedblocks()`` is always 0 in Pyodide, which has no allocator of Python's own.
    """
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo
    mallinfo.restype = Mallinfo
    return int(mallinfo().uordblks)


def proxies() -> int:
    """How many Python objects JavaScript holds, once garbage has been collected."""
    import pyodide_js

    gc.collect()
    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    return int(module.pyproxy_alloc_map.size)


def held() -> int:
    """How many objects Python and JavaScript hold of each other."""
    import pyodide_js

    return proxies() + int(pyodide_js._module._hiwire_num_refs())
