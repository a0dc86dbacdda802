"""The script of a PyScript page: hands the peer's module to page.mjs."""

import memory  # type: ignore[import-not-found]
import peer  # type: ignore[import-not-found]
from pyscript import window  # type: ignore[import-not-found]
from pyscript.ffi import create_proxy  # type: ignore[import-not-found]

window.peer = create_proxy(peer)
window.memory = create_proxy(memory)
window.onPeer()
