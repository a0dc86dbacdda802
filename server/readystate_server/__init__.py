"""What readystate has for CPython's side of a connection.

:mod:`.sessions` is the server's half of sessions, for production. :mod:`.lab` is a small server of
pages, wheel and WebSocket endpoints that fail on demand, for development
(``python -m readystate_server``). :mod:`.testing` has pytest fixtures for headless tests.
"""

__version__ = "0.2.0"
