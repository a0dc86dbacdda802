"""The development server: pages, the wheel, WebSocket endpoints, and faults on demand."""

try:
    from .server import Server
except ModuleNotFoundError as _error:
    _text = f"{_error.name} is not installed: pip install 'readystate-server[lab]'"
    raise ModuleNotFoundError(_text, name=_error.name) from None

__all__ = ["Server"]
