"""The WHATWG interface, one to one: ``WebSocket``, its events, ``Blob``."""
