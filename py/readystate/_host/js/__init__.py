"""The port on Pyodide: the only modules that import ``js`` and ``pyodide``.

They convert all values, and own all proxies.
"""
