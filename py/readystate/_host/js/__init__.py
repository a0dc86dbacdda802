"""The port on Pyodide: the only modules that import ``js`` and ``pyodide``.

They convert all values, and own all proxies.
"""

import pyodide.ffi

if not hasattr(pyodide.ffi, "run_sync"):  # which 0.26 was the first to have
    raise ImportError(f"readystate needs Pyodide 0.26 or newer; this is {pyodide.__version__}")
