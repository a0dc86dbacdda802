"""``openai``'s realtime client, over ``websockets``."""

from __future__ import annotations

import sys
import warnings

KEY = "a-key"


async def test_realtime(servers: str) -> None:
    """The key goes in a header; from a browser, as a subprotocol."""
    from openai import AsyncOpenAI

    in_pyodide = sys.platform == "emscripten"
    with warnings.catch_warnings(record=True, action="always") as caught:
        if in_pyodide:
            from readystate import compat

            compat.install(rewrite=key_to_subprotocol)
        client = AsyncOpenAI(api_key=KEY, websocket_base_url=f"{servers.replace('http', 'ws')}/v1")
        try:
            async with client.realtime.connect(model="a-model") as connection:
                created = await connection.recv()
                assert created.type == "session.created"
                assert created.session.model == "a-model"
                await connection.response.create()
                text = ""
                async for event in connection:
                    if event.type == "response.done":
                        break
                    assert event.type == "response.output_text.delta"
                    text += event.delta
                assert text == "I am a-model"
        finally:
            await client.close()
            if in_pyodide:
                compat.install()
    warned = [str(warning.message) for warning in caught]
    # httpx2 cannot choose certificates and proxies in a browser either, and says so.
    assert [text for text in warned if "Emscripten" not in text] == []


def key_to_subprotocol(
    url: str, headers: dict[str, str], subprotocols: list[str]
) -> tuple[str, list[str]]:
    """As OpenAI has browsers do it; it needs none of the other headers."""
    key = headers["authorization"].removeprefix("Bearer ")
    headers.clear()
    return url, [*subprotocols, "realtime", f"openai-insecure-api-key.{key}"]
