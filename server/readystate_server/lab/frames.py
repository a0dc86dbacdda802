"""RFC 6455 frames from server to client: final, without extension, never masked."""

import struct

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
NO_CODE = 1005
"""The reported code of a close frame without a body; never sent."""


def encode(opcode: int, payload: bytes) -> bytes:
    """Return the one frame that carries `payload`."""
    head, size = 0x80 | opcode, len(payload)
    if size < 126:
        return struct.pack("!BB", head, size) + payload
    if size < 2**16:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload


def encode_close(code: int | None, reason: str = "") -> bytes:
    """Return a close frame; with `code` None it has no body."""
    if code is None:
        return encode(CLOSE, b"")
    return encode(CLOSE, struct.pack("!H", code) + reason.encode())
