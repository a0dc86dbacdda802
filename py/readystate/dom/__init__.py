"""The WHATWG interface: ``WebSocket``, its events and ``Blob``."""
