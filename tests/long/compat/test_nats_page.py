"""``web/examples/nats.html``: two tabs, a NATS cluster, and nothing in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from readystate_server.lab import Server
from tests.compat import packages
from tests.compat.nats_cluster import Cluster

PATIENCE = 60_000
"""Milliseconds."""


@pytest.fixture
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """A window, in which PyPI has what is pinned, and nothing else is on the internet."""
    packages.require()
    with browser.new_context() as context:
        context.route(re.compile("^https:"), answer)
        yield context


def answer(route: Route) -> None:
    """Answers as PyPI does, with the wheels that are here."""
    path = urlsplit(route.request.url).path
    name = path.rstrip("/").split("/")[-1]
    anybody = {"Access-Control-Allow-Origin": "*"}
    if name in packages.wheels():
        route.fulfill(headers=anybody, path=packages.WHEELS / name)
    elif path.startswith("/simple/"):
        route.fulfill(headers=anybody, content_type="text/html", body=index(name))
    else:
        route.abort()


def index(name: str) -> str:
    """A project of the index, as PEP 503 has it."""
    start = f"{name.replace('-', '_')}-"
    wheels = [wheel for wheel in packages.wheels() if wheel.startswith(start)]
    return "".join(f'<a href="https://wheels.test/{wheel}">{wheel}</a>' for wheel in wheels)


def join(tabs: BrowserContext, server: Server, name: str, servers: list[str]) -> Page:
    page = tabs.new_page()
    page.goto(server.url_for("/examples/nats.html", servers=",".join(servers)))
    expect(page.locator("#state")).to_have_text("ready", timeout=PATIENCE)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE)
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def test_two_tabs_go_on_when_a_node_is_killed(
    tabs: BrowserContext, server: Server, cluster: Cluster
) -> None:
    ada = join(tabs, server, "Ada", cluster.urls)
    bob = join(tabs, server, "Bob", cluster.urls)
    log = {page: page.get_by_role("log") for page in (ada, bob)}
    say(ada, "<b>hello</b>")
    for page in (ada, bob):
        expect(log[page].get_by_role("paragraph")).to_have_text(
            ["Ada <b>hello</b>"], timeout=PATIENCE
        )

    used = ada.locator("#state").inner_text().removeprefix("connected to ")
    node = next(node for node in cluster.nodes if used in node.url)
    node.kill()
    try:
        moved = re.compile(rf"^connected to (?!{used}$)")
        for page in (ada, bob):
            expect(page.locator("#state")).to_have_text(moved, timeout=PATIENCE)
        say(ada, "still here")
        say(bob, "so am I")
        for page in (ada, bob):
            for text in ("Ada still here", "Bob so am I"):
                expect(log[page].get_by_text(text)).to_have_count(1, timeout=PATIENCE)
    finally:
        cluster.start()
