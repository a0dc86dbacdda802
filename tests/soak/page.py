"""What the soak test runs in the page: many sockets that send over connections that fail.

Everything but :func:`message_of` is for the page only.
"""

from __future__ import annotations

import asyncio
import binascii
import gc
import json
import random
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import urlencode

from readystate import (
    Acks,
    Backoff,
    Delivery,
    DeliveryState,
    Heartbeat,
    QueuedWebSocket,
    State,
    StateChange,
)

NUMBER = 4
"""Bytes with which a binary message tells its number."""
LARGEST = 2 * 1024
HUGE = 64 * 1024
"""The size of one message in 500."""
FILLERS = ("readystate ", "grün ", "3 € ", "😀 ")

AT_ONCE = 5
"""How many connect at the same time: browsers delay connections, the more the more are pending."""
FAULTS = {"drop": 30, "close": 44, "stall": 7, "deaf": 7, "refuse": 2, "none": 10}
"""What connections meet with, and how often."""
CLOSE_CODES = (1001, 1011, 1012, 1013, 3000, 4000, None)
AFTER = (10, 200)
"""The fault comes with a message whose number on its connection is between these."""
PULSE = (1.0, 3.0)
BURST = 4
"""The most messages that a socket sends in one go, less one."""
PATIENCE = 120
"""In how many seconds, after the last message, all sockets must have closed."""


def message_of(index: int, name: str, seed: int) -> str | bytes:
    """The message ``index`` of the socket ``name``; no two are the same."""
    mixed = binascii.crc32(f"{seed} {name} {index}".encode())
    size = HUGE if mixed % 500 == 0 else LARGEST * (mixed // 500 % 1000) ** 3 // 1000**3
    start = f"{index} {name} {mixed} "
    if mixed // 500_000 % 2:
        begin = index.to_bytes(NUMBER, "big") + start.encode()
        return begin + bytes([mixed % 256]) * (size - len(begin))
    filler = FILLERS[mixed % len(FILLERS)]
    return start + filler * ((size - len(start)) // len(filler.encode()))


def number_of(message: Any) -> int:
    """What an acknowledgement calls a message."""
    if isinstance(message, str):
        return int(message.partition(" ")[0])
    return int.from_bytes(message[:NUMBER], "big")


def acknowledged(message: str | bytes) -> list[int] | None:
    """The numbers that the server acknowledges."""
    if isinstance(message, bytes) or not message.startswith("{"):
        return None
    numbers: list[int] = json.loads(message)["ack"]
    return numbers


def is_pong(message: str | bytes) -> bool:
    return message == "pong"


class Gate:
    """Lets a socket's attempts begin, so that few are pending at a time, and picks their faults.

    Args:
        turns: Shared by all sockets.
        queries: What all connections have in common.
        base: The server's address.
        refusing: That of the server which only fails. Firefox connects to one host after the other,
            and delays those that have failed; so this one has a host of its own.
        choice: Picks.
        faults: From these.
        first: The first fault.
    """

    def __init__(
        self,
        turns: asyncio.Semaphore,
        queries: dict[str, Any],
        *,
        base: str,
        refusing: str,
        choice: random.Random,
        faults: list[str],
        first: str | None,
    ) -> None:
        self._turns = turns
        self._queries = queries
        self._base = base
        self._refusing = refusing
        self._choice = choice
        self._faults = faults
        self._first = first
        self._has_turn = False
        # What was sent and is not over, and the messages that were in doubt when connections were
        # lost.
        self._deliveries: deque[Delivery] = deque()
        self._was_open = False
        self.in_doubt = 0
        # Attempts, by the error with which they have failed.
        self.failed: Counter[str] = Counter()
        self.dropped = 0

    async def url(self) -> str:
        await self._turns.acquire()
        self._has_turn = True
        fault, self._first = self._first or self._pick(), None
        if fault == "refuse":
            how = self._choice.choice(({"fault": "refuse", "status": 503}, {"fault": "abort"}))
            return f"{self._refusing}/ws/peer?{urlencode(how)}"
        query = dict(self._queries)
        if fault != "none":
            query |= {"fault": fault, "after": self._choice.randint(*AFTER)}
        if fault == "close" and (code := self._choice.choice(CLOSE_CODES)) is not None:
            query |= {"code": code, "reason": "soak"}
        return f"{self._base}/ws/peer?{urlencode(query)}"

    def on_state(self, change: StateChange) -> None:
        if self._has_turn and change.state is not State.CONNECTING:
            self._has_turn = False
            self._turns.release()
        if change.state is State.WAITING:
            if self._was_open:
                self.look()
                self.in_doubt += sum(
                    delivery.state is DeliveryState.SENT for delivery in self._deliveries
                )
            else:
                self.failed[type(change.error).__name__] += 1
        self._was_open = change.state is State.OPEN

    def sent(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self.look()

    def look(self) -> None:
        """Lets go of the messages that are over."""
        deliveries = self._deliveries
        while deliveries and deliveries[0].reason is not None:
            self.dropped += deliveries.popleft().state is not DeliveryState.CONFIRMED

    @property
    def left(self) -> int:
        self.look()
        return len(self._deliveries)

    def _pick(self) -> str:
        return self._choice.choices(self._faults, [FAULTS[fault] for fault in self._faults])[0]


async def send_steadily(ws: QueuedWebSocket, gate: Gate, **how: Any) -> dict[str, Any]:
    """Sends until the time is over, and closes; returns what the socket says it has done."""
    choice = random.Random(f"{how['seed']} {how['name']} pace")  # noqa: S311
    received = 0

    async def receive() -> None:
        nonlocal received
        async for message in ws:
            assert is_pong(message), f"received {message!r:.100}"
            received += 1

    receiving = asyncio.create_task(receive())
    ws.start()
    index = 0
    while time.monotonic() < how["until"]:
        for _ in range(choice.randrange(BURST)):
            gate.sent(await ws.put(message_of(index, how["name"], how["seed"])))
            index += 1
        # The average burst, at this pace.
        await asyncio.sleep((BURST - 1) / 2 / how["rate"] * choice.uniform(0.5, 1.5))
    await ws.close()
    await receiving
    stats = ws.stats
    return {
        "messages": index,
        "accepted": stats.accepted,
        "confirmed": stats.confirmed,
        "dropped": {str(reason): count for reason, count in stats.dropped.items()},
        "sent": stats.sent,
        "resent": stats.resent,
        "reconnects": stats.reconnects,
        "failed": dict(gate.failed),
        "in doubt": gate.in_doubt,
        "left": ws.pending + ws.unconfirmed,
        "deliveries left": gate.left,
        "deliveries dropped": gate.dropped,
        "received": received,
        "received and dropped": ws.dropped,
    }


async def sockets_for_a_while(
    *,
    base: str,
    refusing: str,
    round: str,
    sockets: int,
    seconds: float,
    rate: float,
    seed: int,
    faults: list[str],
    has_all_faults: bool,
) -> list[dict[str, Any]]:
    """Has many sockets send, and tells what each says.

    Args:
        base: The server's address, ``ws://host:port``.
        refusing: That of the server which only fails.
        round: With the number of the socket it is the id of the journal.
        sockets: How many.
        seconds: For how long.
        rate: How many messages a socket sends in a second.
        seed: Of messages and faults.
        faults: What the connections meet with.
        has_all_faults: Whether the first sockets begin with one fault each.
    """
    import js
    from pyodide.ffi import create_proxy

    turns = asyncio.Semaphore(AT_ONCE)
    until = time.monotonic() + seconds
    interval, timeout = PULSE
    all_sockets, sending = [], []
    for number in range(sockets):
        name = f"{round}-{number}"
        has_acks = number % 2 == 0
        queries = {"id": name, "ping": "ping", **({"ack": 1} if has_acks else {})}
        gate = Gate(
            turns,
            queries,
            base=base,
            refusing=refusing,
            choice=random.Random(f"{seed} {name} faults"),  # noqa: S311
            faults=faults,
            first=dict(enumerate(faults)).get(number) if has_all_faults else None,
        )
        ws = QueuedWebSocket(
            gate.url,
            backoff=Backoff(0.05, 1.0),
            # Cancelled timers of Pyodide live on until it would have been time.
            close_timeout=None,
            heartbeat=Heartbeat(
                "ping",
                interval=interval,
                timeout=timeout,
                is_reply=None if has_acks else is_pong,
            ),
            acks=Acks(number_of, acknowledged, pass_on=False) if has_acks else None,
            on_state=gate.on_state,
            on_full="wait",
        )
        all_sockets.append(ws)
        sending.append(send_steadily(ws, gate, name=name, seed=seed, until=until, rate=rate))
    together = asyncio.gather(*sending)
    late = asyncio.get_running_loop().create_future()
    on_late = create_proxy(lambda: late.set_result(None))
    timer = js.setTimeout(on_late, (seconds + PATIENCE) * 1000)
    try:
        await asyncio.wait([together, late], return_when=asyncio.FIRST_COMPLETED)
    finally:
        js.clearTimeout(timer)
        on_late.destroy()
    if not together.done():
        still = [
            f"{number}: {ws!r}, {ws.stats}"
            for number, ws in enumerate(all_sockets)
            if ws.state is not State.CLOSED
        ]
        raise AssertionError(f"not closed within {PATIENCE} s: {still}")
    return together.result()


def of_readystate() -> dict[str, int]:
    """How many objects there are of each of the package's classes."""
    gc.collect()
    types = (type(thing) for thing in gc.get_objects())
    return dict(Counter(t.__qualname__ for t in types if t.__module__.startswith("readystate")))


def proxies() -> tuple[int, int]:
    """How many Python objects JavaScript holds, and how many JavaScript objects Python holds."""
    import pyodide_js

    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    gc.collect()
    return module.pyproxy_alloc_map.size, module._hiwire_num_refs()


def allocated() -> int:
    """How many bytes are allocated; Pyodide's Python has no allocator of its own."""
    import pyodide_js

    module = pyodide_js._module
    numbers = module._malloc(40)
    module._mallinfo(numbers)
    used = int(module.HEAPU32[numbers // 4 + 7])
    module._free(numbers)
    return used


async def loaded() -> None:
    """Makes what the package makes once, and keeps, when many texts come together.

    They may come so only after the warm-up, when a busy machine has them wait for the page.
    """
    from readystate._host.js.inbox import _heap_reader

    _heap_reader()


async def measured() -> dict[str, Any]:
    """What there is now."""
    import pyodide_js

    await asyncio.sleep(0)
    held = proxies()
    return {
        "proxies": held,
        "objects": of_readystate(),
        "allocated": allocated(),
        "tracked": len(gc.get_objects()),
        "memory": pyodide_js._module.HEAP8.length,
    }


async def settled(*, before: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What there is as soon as nothing of the sockets is left, or so many seconds have passed.

    An abandoned connection is the browser's until it gives up its closing handshake.
    """
    since = time.monotonic()
    while True:
        now = await measured()
        now["seconds"] = time.monotonic() - since
        is_over = now["proxies"] == before["proxies"] and now["objects"] == before["objects"]
        if is_over or now["seconds"] >= seconds:
            return now
        await asyncio.sleep(0.5)
