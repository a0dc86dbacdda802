"""The small server beside readystate: pages, wheel, WebSocket endpoints, faults on demand."""

try:
    from .server import Server
except ModuleNotFoundError as error:
    text = f"{error.name} is not installed: pip install 'readystate-server[lab]'"
    raise ModuleNotFoundError(text, name=error.name) from None

__all__ = ["Server"]
