import asyncio
import json
import os
import random
import sqlite3

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from readystate_server.sessions import Sessions
from readystate_server.sessions.starlette import serve

app = FastAPI()
database = sqlite3.connect(os.environ.get("ORDERS", "orders.db"))
database.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, name TEXT)")


@app.websocket("/prices")
async def prices(websocket: WebSocket):
    await websocket.accept()
    price = {"apples": 3.0, "pears": 4.0}
    try:
        while True:
            name = random.choice([*price])
            price[name] *= random.uniform(0.98, 1.02)
            await websocket.send_json({"name": name, "price": round(price[name], 2)})
            await asyncio.sleep(0.5)
    except WebSocketDisconnect:
        pass


async def take_orders(session):
    async for message in session:  # the order before this one is done, and confirmed
        order = json.loads(message)
        with database:  # an order that comes again is the same row
            database.execute("INSERT OR IGNORE INTO orders VALUES (:id, :name)", order)
        await session.send(json.dumps({"id": order["id"], "state": "taken"}))


sessions = Sessions(take_orders)


@app.websocket("/orders")
async def orders(websocket: WebSocket):
    await serve(sessions, websocket)  # which accepts it


app.mount("/", StaticFiles(directory="page", html=True))
