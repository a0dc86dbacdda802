import json
import uuid

from readystate import QueuedWebSocket, Session


class Orders:
    """Orders that arrive, whatever happens to connections and to the server.

    ``show`` is called with an order's id and what there is to say of it.
    """

    def __init__(self, url, show):
        self.ws = QueuedWebSocket(url, session=Session(renew=True))
        self.show = show

    def buy(self, name):
        order = {"id": str(uuid.uuid4()), "name": name}
        self.show(order["id"], f"{name}: ordered")
        self.ws.send(json.dumps(order))  # in any state

    async def run(self):
        async with self.ws:
            async for message in self.ws:
                answer = json.loads(message)
                self.show(answer["id"], answer["state"])
