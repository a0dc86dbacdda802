"""``nats-py`` with a cluster of three NATS servers that loses one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from tests.compat.engines import Engine
    from tests.compat.nats_cluster import Cluster


def test_jetstream_goes_on_when_a_node_is_killed(engine: Engine, cluster: Cluster) -> None:
    name = f"tests-{uuid4()}"
    done = engine.start(store_and_consume, timeout=120, urls=cluster.urls, name=name)
    node = cluster.node_of(name, messages=60)
    node.kill()
    try:
        result = done()
    finally:
        cluster.start()
    assert result["before"] == node.url
    assert result["after"] in {other.url for other in cluster.nodes if other is not node}
    assert result["acknowledged"] == result["consumed"] == [*range(1, result["count"] + 1)]


async def store_and_consume(urls: list[str], name: str) -> dict[str, Any]:
    """Publishes numbers, and consumes them by a durable consumer, until both have gone on after the
    loss of a node."""
    import nats

    reconnected = asyncio.Event()
    consumed: set[int] = set()
    acknowledged: list[int] = []

    async def on_reconnected() -> None:
        reconnected.set()

    async def on_error(_: Exception) -> None:
        """It is lost, and that is what this is about."""

    nc = await nats.connect(
        urls,
        name=name,
        reconnected_cb=on_reconnected,
        error_cb=on_error,
        reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
    )
    before = nc.connected_url.geturl()
    js = nc.jetstream(timeout=30)
    await js.add_stream(name=name, subjects=[f"{name}.numbers"], num_replicas=3)
    subscription = await js.pull_subscribe(f"{name}.numbers", durable="consumer", stream=name)

    async def insist(number: int) -> None:
        """Publishes until that is acknowledged; the server drops what it has got already."""
        while True:
            try:
                await js.publish(
                    f"{name}.numbers",
                    str(number).encode(),
                    headers={"Nats-Msg-Id": str(number)},
                    timeout=2,
                )
            except (TimeoutError, nats.errors.Error):
                await asyncio.sleep(0.05)
            else:
                acknowledged.append(number)
                return

    async def publish() -> int:
        number = left = 0
        while left < 20:
            number += 1
            await insist(number)
            left += reconnected.is_set()
        return number

    publishing = asyncio.ensure_future(publish())
    while not publishing.done() or len(consumed) < publishing.result():
        try:
            messages = await subscription.fetch(10, timeout=1)
        except (TimeoutError, nats.errors.Error):
            await asyncio.sleep(0.05)
            continue
        for message in messages:
            consumed.add(int(message.data))
            await message.ack()
    after = nc.connected_url.geturl()
    await nc.close()
    return {
        "before": before,
        "after": after,
        "count": publishing.result(),
        "acknowledged": acknowledged,
        "consumed": sorted(consumed),
    }
