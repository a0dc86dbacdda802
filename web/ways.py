"""Six ways to send the first messages over a socket that has just been made.

Pyodide and MicroPython run them, which has neither typing nor dataclasses: see lap.py.
"""

import asyncio

from readystate import Delivery, Event, SendQueue, WebSocket


def send_at_once(ws: WebSocket, messages: list[str]) -> None:
    for message in messages:
        ws.send(message)


async def sleep_then_send(ws: WebSocket, messages: list[str]) -> None:
    await asyncio.sleep(1)
    for message in messages:
        ws.send(message)


def send_queue(ws: WebSocket, messages: list[str]) -> list[Delivery]:
    queue = SendQueue(ws)
    return [queue.send(message) for message in messages]


def send_on_open(ws: WebSocket, messages: list[str]) -> None:
    def on_open(_: Event) -> None:
        for message in messages:
            ws.send(message)

    ws.onopen = on_open


def check_ready_state(ws: WebSocket, messages: list[str]) -> None:
    def send_all(_: Event | None = None) -> None:
        for message in messages:
            ws.send(message)

    if ws.readyState == ws.OPEN:
        send_all()
    elif ws.readyState == ws.CONNECTING:
        ws.onopen = send_all
    else:
        raise ConnectionError("closed for good")


def queue_until_open(ws: WebSocket, messages: list[str]) -> None:
    queue: list[str] = []

    def safe_send(message: str) -> None:
        if ws.readyState == ws.OPEN:
            ws.send(message)
        else:
            queue.append(message)

    def flush(_: Event) -> None:
        while queue:
            ws.send(queue.pop(0))

    ws.onopen = flush
    for message in messages:
        safe_send(message)


# Each is shown in the element of the page whose id is its name.
WAYS = (
    send_at_once,
    sleep_then_send,
    send_queue,
    send_on_open,
    check_ready_state,
    queue_until_open,
)
