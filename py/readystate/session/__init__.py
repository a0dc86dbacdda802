"""Exactly once: the protocol ``readystate.v1``, which both ends share, and the client's end."""
