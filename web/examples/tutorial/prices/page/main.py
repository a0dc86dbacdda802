from prices import watch
from pyscript import document


def show(name, price):
    document.getElementById(name).textContent = f"{price:.2f}"


await watch("/prices", show)
