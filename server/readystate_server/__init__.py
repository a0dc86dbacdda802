"""The server's side of readystate, on CPython.

:mod:`.sessions` is the server's end of sessions, for production. :mod:`.lab` is a development
server with pages, the wheel, and WebSocket endpoints that fail on demand (``python -m
readystate_server``). :mod:`.testing` has pytest fixtures for headless tests.
"""

__version__ = "0.2.0"
