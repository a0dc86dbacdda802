"""The WebSocket client for Python in the browser (Pyodide and PyScript)."""

__version__ = "0.1.0"
