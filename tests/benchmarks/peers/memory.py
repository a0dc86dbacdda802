"""What Python holds in memory."""

from __future__ import annotations

import gc
import sys


def blocks() -> int:
    """The blocks that Python has allocated, once its garbage has been collected."""
    gc.collect()
    return sys.getallocatedblocks()
