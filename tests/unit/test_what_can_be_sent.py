"""What type checkers say of what is given to the various send()."""

from __future__ import annotations

from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api")

HEAD = """
from readystate import Blob, Connection, QueuedWebSocket, Sendable, SendQueue, WebSocket
from readystate_server.sessions import ServerSession
import array

async def f(ws: WebSocket, connection: Connection, queue: SendQueue, queued: QueuedWebSocket,
            session: ServerSession, blob: Blob, some: Sendable) -> None:
"""
SENDERS = {
    "ws.send": "ws.send({})",
    "connection.send": "await connection.send({})",
    "queue.send": "queue.send({})",
    "queue.put": "await queue.put({})",
    "queued.send": "queued.send({})",
    "queued.put": "await queued.put({})",
    "session.send": "await session.send({})",
}
RIGHT = ('"text"', 'b"bytes"', "bytearray()", "memoryview(b'')", 'array.array("d")')
WRONG = ("None", '{"a": 1}', "1", "1.5", "[1, 2]", "{1}", "object()")
REST = """
    ws.send(blob)
    queue.send(some)
    queued.send(blob, text=None)
    await connection.send(["a", "b"])
    await connection.send(part for part in [b"a", b"b"])
    await connection.send(b"text", text=True)
    reveal_type(await connection.recv())
    reveal_type(await connection.recv(decode=True))
    reveal_type(await connection.recv(decode=False))
    reveal_type(await queued.recv(True))
"""
REVEALED = ["str | bytes", "str", "bytes", "str"]


@pytest.mark.timeout(180)
def test_mypy_flags_what_cannot_be_sent_and_nothing_else(tmp_path: Path) -> None:
    lines = HEAD.strip("\n").splitlines()
    wrong = []
    for call in SENDERS.values():
        lines += [f"    {call.format(value)}" for value in RIGHT]
        for value in WRONG:
            lines.append(f"    {call.format(value)}")
            wrong.append(len(lines))
    lines += REST.strip("\n").splitlines()
    file = tmp_path / "sends.py"
    file.write_text("\n".join(lines), encoding="utf-8")
    options = ["--strict", "--config-file=", f"--cache-dir={tmp_path}", "--no-error-summary"]
    output, errors, _ = api.run([*options, str(file)])
    assert not errors, errors
    told = [line.split(":", 3) for line in output.splitlines()]
    assert sorted({int(line[1]) for line in told if line[2] == " error"}) == wrong
    revealed = [line[3].split('"')[1] for line in told if "Revealed type" in line[3]]
    assert [text.replace("builtins.", "") for text in revealed] == REVEALED
