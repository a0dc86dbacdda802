"""What is sent comes back, over one connection after another."""

import asyncio

from js import document
from pyodide.ffi.wrappers import add_event_listener

from readystate import ConnectionClosed, connect

status, form, messages = map(document.querySelector, ("#status", "form", "ul"))
sending = set()


def show(text):
    item = document.createElement("li")
    item.textContent = text
    messages.append(item)


def on_submit(_):
    text = form.message.value
    form.reset()
    task = asyncio.create_task(send(text))
    sending.add(task)  # or it might be collected before it is done
    task.add_done_callback(sending.discard)


async def send(text):
    await ws.send(text)
    show(f"sent {text}")


def enable(is_connected):
    status.textContent = "Connected." if is_connected else "Connecting …"
    for control in form.elements:
        control.disabled = not is_connected


enable(False)
add_event_listener(form, "submit", on_submit)
async for ws in connect("../ws/echo"):  # a new one after each loss
    enable(True)
    try:
        async for message in ws:
            show(f"received {message}")
    except ConnectionClosed:
        pass
    enable(False)
