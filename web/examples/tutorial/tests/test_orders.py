import asyncio
import sqlite3

from orders import Orders
from prices import prices, watch


def test_prices_come_again_after_a_restart(server):
    async def main():
        shown = asyncio.Queue()
        ws = prices(server.ws_url("/prices"))
        watching = asyncio.create_task(watch(ws, lambda name, price: shown.put_nowait(name)))
        assert await shown.get() in ("apples", "pears")
        await asyncio.to_thread(server.restart)
        while not shown.empty():
            shown.get_nowait()
        assert await shown.get() in ("apples", "pears")
        watching.cancel()

    asyncio.run(asyncio.wait_for(main(), 50))


def test_each_order_is_taken_once(server, database):
    async def main():
        taken = asyncio.Queue()

        def show(id, what):
            if what == "taken":
                taken.put_nowait(id)

        orders = Orders(server.ws_url("/orders"), show)
        running = asyncio.create_task(orders.run())
        orders.buy("apples")
        await taken.get()
        await asyncio.to_thread(server.kill)  # SIGKILL: no connection is closed
        orders.buy("pears")
        orders.buy("pears")
        await asyncio.to_thread(server.start)
        await taken.get()
        await taken.get()
        running.cancel()

    asyncio.run(asyncio.wait_for(main(), 50))
    rows = sqlite3.connect(database).execute("SELECT name FROM orders").fetchall()
    assert rows == [("apples",), ("pears",), ("pears",)]
