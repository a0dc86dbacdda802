"""The port on Pyodide: the only modules that import ``js`` and ``pyodide``.

They own what crosses between Python and JavaScript: proxies, buffers and errors.
"""
