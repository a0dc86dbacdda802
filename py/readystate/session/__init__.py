"""Exactly-once delivery: the protocol ``readystate.v1`` and the client's end of it."""
