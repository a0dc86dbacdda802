"""``openai``'s realtime client, over ``websockets``."""

from __future__ import annotations


async def test_realtime(servers: str) -> None:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="a key", websocket_base_url=f"{servers.replace('http', 'ws')}/v1")
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
