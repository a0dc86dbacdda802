"""``connect()`` and ``Connection``: asyncio, in the vocabulary of ``websockets``."""
