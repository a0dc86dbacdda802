from prices import prices, watch
from pyscript import document, when
from readystate import State

state, button = document.querySelector("#state"), document.querySelector("#reconnect")


def show(name, price):
    document.getElementById(name).textContent = f"{price:.2f}"


def on_state(change):
    state.textContent = change.state
    button.hidden = change.state is not State.WAITING


ws = prices("/prices", on_state=on_state)


@when("click", "#reconnect")
def reconnect(event):
    ws.reconnect()


await watch(ws, show)
