# /// script
# dependencies = ["readystate"]
# ///
"""A notebook of marimo's: each cell shows its last value."""

import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    server = mo.query_params()["server"]
    return mo, server


@app.cell
async def _(mo, server):
    from readystate import InvalidStateError, WebSocket, connect

    ws = WebSocket(f"{server}/ws/echo")
    try:
        ws.send("too early")
    except InvalidStateError as error:
        name = error.name
    ws.close()
    async with connect(f"{server}/ws/echo") as connection:
        await connection.send("hello")
        reply = await connection.recv()
    mo.md(f"{name}, then {reply}")
    return


@app.cell
async def _(mo, server):
    from readystate import Backoff, ConnectionClosed
    from readystate import connect as connecting

    losses = []
    async for _ws in connecting(f"{server}/ws/close?after=1&code=1012", backoff=Backoff(0.1)):
        try:
            await _ws.send("message")
            while True:
                await _ws.recv()
        except ConnectionClosed as error:
            losses.append(error.code)
        if len(losses) == 3:
            break
    mo.md(f"lost {losses}")
    return


@app.cell
def _(mo, server):
    from readystate.sync import connect as blocking_connect

    with blocking_connect(f"{server}/ws/echo") as _ws:
        _ws.send("without await")
        answer = _ws.recv()
    mo.md(f"blocking: {answer}")
    return


if __name__ == "__main__":
    app.run()
