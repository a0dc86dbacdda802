import asyncio

from orders import Orders
from prices import prices, watch
from pyscript import document, when
from readystate import State

state, button = document.querySelector("#state"), document.querySelector("#reconnect")


def show(name, price):
    document.getElementById(name).textContent = f"{price:.2f}"


def on_state(change):
    state.textContent = change.state
    button.hidden = change.state is not State.WAITING


def show_order(id, what):
    item = document.getElementById(id)
    if not item:  # JavaScript's null, which is not None
        item = document.createElement("li")
        item.id = id
        document.querySelector("ul").append(item)
    item.textContent = what


ws = prices("/prices", on_state=on_state)
orders = Orders("/orders", show_order)


@when("click", "#reconnect")
def reconnect(event):
    ws.reconnect()
    orders.ws.reconnect()


@when("click", "button[value]")
def buy(event):
    orders.buy(event.target.value)


for each in document.querySelectorAll("button[value]"):
    each.disabled = False
await asyncio.gather(watch(ws, show), orders.run())
