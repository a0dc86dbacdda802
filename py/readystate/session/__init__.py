"""Exactly once: a session that survives lost connections, with both ends in Python."""
