from playwright.sync_api import expect


def test_an_order_survives_a_restart(open_page, server):
    page = open_page(server.url).page
    items = page.get_by_role("listitem")
    page.get_by_role("button", name="Buy apples").click()
    expect(items).to_have_text(["taken"])
    server.kill()
    page.get_by_role("button", name="Buy pears").click()
    expect(items).to_have_text(["taken", "pears: ordered"])
    server.start()
    expect(items).to_have_text(["taken", "taken"], timeout=30_000)
