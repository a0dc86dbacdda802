"""``wss:``, to a server that speaks TLS. tests/long/compat calls what is no test here."""

from __future__ import annotations

import ssl
import sys

from readystate_server.testing.inpage import raises

ON_PYODIDE = sys.platform == "emscripten"


async def test_websockets(secure_peer: str) -> None:
    import websockets

    async with websockets.connect(f"{secure_peer}/echo") as ws:
        await ws.send("encrypted")
        assert await ws.recv() == "encrypted"


async def aiohttp_over_tls(secure_peer: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{secure_peer}/echo") as ws:
            await ws.send_bytes(b"encrypted")
            assert await ws.receive_bytes() == b"encrypted"
        async with session.ws_connect(secure_peer.replace("wss:", "https:") + "/echo") as ws:
            await ws.send_str("of another name")
            assert await ws.receive_str() == "of another name"


async def websocket_client_over_tls(secure_peer: str, engine_name: str) -> None:
    import websocket

    if engine_name == "node":  # of the version that runs here; it has no JSPI
        with raises(NotImplementedError, match="JSPI"):
            websocket.create_connection(f"{secure_peer}/echo")
        return
    how = {} if ON_PYODIDE else {"ca_certs": ssl.get_default_verify_paths().cafile}
    ws = websocket.create_connection(f"{secure_peer}/echo", sslopt=how, timeout=20)
    ws.send("encrypted")
    assert ws.recv() == "encrypted"
    ws.close()
