"""Queues that lose no message silently: ``SendQueue`` and ``QueuedWebSocket``."""
