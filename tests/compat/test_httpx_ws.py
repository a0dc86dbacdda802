"""``httpx-ws``, over ``httpx`` and ``anyio``."""

from __future__ import annotations

from readystate_server.testing.inpage import raises


async def test_messages_and_the_end(peer: str) -> None:
    import httpx
    import httpx_ws

    http = peer.replace("ws:", "http:")
    async with httpx.AsyncClient() as client:
        async with httpx_ws.aconnect_ws(f"{http}/echo", client, subprotocols=["two"]) as ws:
            assert ws.subprotocol == "two"
            for text in ("", "grün 😀", "x" * 70_000):
                await ws.send_text(text)
                assert await ws.receive_text() == text
            await ws.send_bytes(b"y" * 200_000)
            assert await ws.receive_bytes() == b"y" * 200_000
        async with httpx_ws.aconnect_ws(f"{http}/close?code=4001&reason=weil", client) as ws:
            with raises(httpx_ws.WebSocketDisconnect) as caught:
                await ws.receive_text()
            assert (caught.value.code, caught.value.reason) == (4001, "weil")
