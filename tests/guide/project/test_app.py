from playwright.sync_api import expect

from readystate_server.testing import in_browser


def test_no_apple_is_lost(open_page, ws_server, ws_id):
    # The app, with the server of the tests in place of its own.
    app = open_page("/", url=ws_server.ws_url("/ws/session", id=ws_id, echo=1))
    button = app.page.get_by_role("button")
    counted = app.page.get_by_role("status")
    button.click()
    expect(counted).to_have_text("1 counted")

    # The connection hears nothing more, and in half a second it is lost.
    assert ws_server.drop(ws_id, after=0.5) == 1
    button.click()
    button.click()
    expect(counted).to_have_text("3 counted", timeout=30_000)

    # What the server's application was given, and over how many connections.
    (application,) = ws_server.journal(f"{ws_id}/session", messages=3)
    assert [message["data"] for message in application["messages"]] == ["apple"] * 3
    assert len(ws_server.journal(ws_id)) == 2
    assert app.call(unconfirmed) == 0


async def unconfirmed():
    """Runs in the app's page."""
    import __main__

    await __main__.ws.drain()
    return __main__.ws.unconfirmed


@in_browser
async def test_a_queue():
    """Runs in an empty page."""
    from readystate import SendQueue, WebSocket
    from readystate_server.testing.inpage import url

    queue = SendQueue(WebSocket(url("/ws/echo")))
    queue.send("any time")
    await queue.drain()
    assert queue.pending == 0
