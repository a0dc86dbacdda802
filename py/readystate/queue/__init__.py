"""Queues that lose nothing: ``SendQueue`` and ``QueuedWebSocket``."""
