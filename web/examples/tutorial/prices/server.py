import asyncio
import random

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles

app = FastAPI()


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


app.mount("/", StaticFiles(directory="page", html=True))
