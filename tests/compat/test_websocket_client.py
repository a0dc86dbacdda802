"""``websocket-client``, which blocks: where Python can be suspended."""

from __future__ import annotations

from readystate_server.testing.inpage import raises


async def test_create_connection(peer: str, refusing: str, engine_name: str) -> None:
    import websocket

    if engine_name == "node":  # of the version that runs here; it has no JSPI
        with raises(NotImplementedError, match="JSPI"):
            websocket.create_connection(f"{peer}/echo")
        return
    ws = websocket.create_connection(f"{peer}/echo", subprotocols=["one", "two"], timeout=20)
    assert ws.getsubprotocol() == "two"
    for text in ("", "grün 😀", "x" * 70_000):
        ws.send(text)
        assert ws.recv() == text
    ws.send_binary(b"y" * 900_000)
    assert ws.recv() == b"y" * 900_000
    ws.settimeout(0.05)
    with raises(websocket.WebSocketTimeoutException):
        ws.recv()
    ws.settimeout(20)
    ws.send("goes on")
    assert ws.recv() == "goes on"
    ws.close()

    ws = websocket.create_connection(f"{peer}/close?code=4001&reason=weil&count=3", timeout=20)
    assert [ws.recv() for _ in range(3)] == ["0", "1", "2"]
    code, data = ws.recv_data()
    assert (code, data) == (websocket.ABNF.OPCODE_CLOSE, b"\x0f\xa1weil")
    ws.close()

    is_native = engine_name == "cpython"
    with raises(websocket.WebSocketException if is_native else OSError, match="refuse|403"):
        websocket.create_connection(f"{refusing}/refuse?status=403", timeout=20)
