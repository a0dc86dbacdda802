"""MQTT over WebSocket: ``aiomqtt``, and ``paho-mqtt`` itself, whose sockets do not block."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest

from readystate_server.testing.inpage import raises

pytestmark = pytest.mark.blocking


async def test_messages_of_all_qualities(cluster_urls: list[str]) -> None:
    import aiomqtt

    topic = f"tests/{uuid.uuid4()}"
    options = {**address(cluster_urls[0]), "transport": "websockets", "websocket_path": "/mqtt"}
    options |= {"websocket_headers": without_origin, "timeout": 30}
    async with aiomqtt.Client(**options) as here, aiomqtt.Client(**options) as there:
        await here.subscribe(f"{topic}/#", qos=1)
        for number in range(20):
            await there.publish(f"{topic}/{number}", bytes([number]) * 20_000, qos=number % 2)
        received = {}
        async for message in here.messages:
            received[str(message.topic)] = message.payload
            if len(received) == 20:
                break
    assert received == {f"{topic}/{number}": bytes([number]) * 20_000 for number in range(20)}


async def a_broker_that_refuses(refusing: str) -> None:
    import aiomqtt

    options = {"transport": "websockets", "websocket_path": "/refuse?status=403"}
    client = aiomqtt.Client(**address(refusing), **options)
    with raises(aiomqtt.MqttError):
        async with asyncio.timeout(60), client:
            pass


async def test_a_loop_that_blocks(cluster_urls: list[str]) -> None:
    from paho.mqtt import client as mqtt

    topic = f"tests/{uuid.uuid4()}"
    received = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, transport="websockets")
    client.ws_set_options("/mqtt", headers=without_origin)

    def on_connect(*_: Any) -> None:
        client.subscribe(topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        for number in range(5):
            client.publish(topic, str(number), qos=1)

    def on_message(_: Any, __: Any, message: mqtt.MQTTMessage) -> None:
        received.append(message.payload)
        if len(received) == 5:
            client.disconnect()

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    where = address(cluster_urls[0])
    client.connect(where["hostname"], where["port"])
    client.loop_forever()
    assert received == [b"0", b"1", b"2", b"3", b"4"]


def address(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {"hostname": parts.hostname, "port": parts.port}


def without_origin(headers: dict[str, str]) -> dict[str, str]:
    """A page has the Origin that it has; that of a program is none that the server knows."""
    return {name: value for name, value in headers.items() if name != "Origin"}
