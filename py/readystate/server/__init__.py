"""The small server beside readystate: pages, wheel, WebSocket endpoints, faults on demand."""

from .server import Server

__all__ = ["Server"]
