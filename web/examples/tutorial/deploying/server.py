import asyncio
import json
import logging
import os
import random
import sqlite3
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from readystate_server.sessions import RedisStore, Sessions
from readystate_server.sessions.starlette import serve
from redis.asyncio import Redis

logging.basicConfig(level=logging.INFO)
database = sqlite3.connect(os.environ.get("ORDERS", "orders.db"), timeout=5)
database.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, name TEXT)")
redis = Redis.from_url(os.environ["REDIS_URL"]) if "REDIS_URL" in os.environ else None


async def take_orders(session):
    async for message in session:  # the order before this one is done, and confirmed
        order = json.loads(message)
        with database:  # an order that comes again is the same row
            database.execute("INSERT OR IGNORE INTO orders VALUES (:id, :name)", order)
        await session.send(json.dumps({"id": order["id"], "state": "taken"}))


sessions = Sessions(take_orders, store=RedisStore(redis) if redis else None)


@asynccontextmanager
async def lifespan(app):
    yield
    await sessions.close()  # they are resumed at another process
    if redis:
        await redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
def ready():
    health = sessions.health()
    return Response("\n".join(health.problems), status_code=200 if health else 503)


@app.websocket("/prices")
async def prices(websocket: WebSocket):
    await websocket.accept()  # prices are for everybody
    price = {"apples": 3.0, "pears": 4.0}
    try:
        while True:
            name = random.choice([*price])
            price[name] *= random.uniform(0.98, 1.02)
            await websocket.send_json({"name": name, "price": round(price[name], 2)})
            await asyncio.sleep(0.5)
    except WebSocketDisconnect:
        pass


def is_from_elsewhere(websocket):
    """Whether a page of another site connects; only browsers send an Origin."""
    origin = websocket.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != websocket.headers.get("host")


@app.websocket("/orders")
async def orders(websocket: WebSocket):
    if is_from_elsewhere(websocket):
        await websocket.close()  # before it is accepted: the answer is 403
        return
    await serve(sessions, websocket)


app.mount("/", StaticFiles(directory="page", html=True))
