"""What a PyScript user writes; test_pyscript.py reads the page's title."""

from pyscript import RUNNING_IN_WORKER, document

from readystate import InvalidStateError, WebSocket

seen = ["worker" if RUNNING_IN_WORKER else "page"]


def on_open(event):
    seen.append(event.type)
    ws.send("text")
    ws.send(b"binary")


async def on_message(event):
    seen.append(event.data if isinstance(event.data, str) else await event.data.text())
    if len(seen) == 5:
        ws.close(3000, "done")


def on_close(event):
    seen.append(f"{event.code} {event.wasClean}")
    document.title = ", ".join(seen)


ws = WebSocket("/ws/echo")  # relative to the page, in its worker too
try:
    ws.send("too early")
except InvalidStateError as error:
    seen.append(error.name)
ws.onopen = on_open
ws.onmessage = on_message
ws.onclose = on_close
