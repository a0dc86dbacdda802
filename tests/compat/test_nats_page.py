"""``web/examples/nats.html``: two tabs, a NATS cluster, and nothing in between."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from . import packages
from .conftest import Server
from .nats_cluster import Cluster

PATIENCE = 60_000
"""Milliseconds."""


@pytest.fixture
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """A window, in which PyPI has what is pinned."""
    packages.require()
    with browser.new_context() as context:
        context.route("https://pypi.org/simple/*/", answer_as_index)
        context.route("https://files.pythonhosted.org/**", answer_with_wheel)
        yield context


def answer_as_index(route: Route) -> None:
    name = urlsplit(route.request.url).path.split("/")[-2]
    found = [wheel for wheel in packages.wheels() if wheel.startswith(name.replace("-", "_") + "-")]
    files = [
        {
            "filename": wheel,
            "url": f"https://files.pythonhosted.org/{wheel}",
            "hashes": {
                "sha256": hashlib.sha256((packages.WHEELS / wheel).read_bytes()).hexdigest()
            },
        }
        for wheel in found
    ]
    versions = [wheel.split("-")[1] for wheel in found]
    answer = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": versions}
    route.fulfill(
        status=200 if found else 404,
        content_type="application/vnd.pypi.simple.v1+json",
        headers={"Access-Control-Allow-Origin": "*"},
        body=json.dumps(answer),
    )


def answer_with_wheel(route: Route) -> None:
    name = urlsplit(route.request.url).path.split("/")[-1]
    route.fulfill(
        headers={"Access-Control-Allow-Origin": "*"},
        path=packages.WHEELS / name,
    )


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
    first, *others = cluster.urls
    ada = join(tabs, server, "Ada", [first, *others])
    bob = join(tabs, server, "Bob", others)
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
