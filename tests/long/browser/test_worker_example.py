"""The example that takes a flood in a worker, or in the page."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from readystate_server.lab import Server
from readystate_server.testing import AppServer

from .conftest import BOOT, Look, PageAs, listen
from .frames import BUSY, frame_times, idle_rate, now, per, record_frames

ID = "worker-example"
COUNT = 200_000
ALL = re.compile("^All ([0-9,]+) messages have been taken.$")


def open_example(page: Page, url: str) -> None:
    record_frames(page)
    page.goto(url)
    expect(page.get_by_role("button", name="worker")).to_be_enabled(timeout=BOOT)


def take(page: Page, where: str) -> list[int]:
    """Has the flood taken, and returns how many frames there were in each half second of that."""
    page.evaluate("said.textContent = ''")
    began = now(page)
    page.get_by_role("button", name=f"Take it in {where}").click()
    expect(page.locator("#said")).to_have_text(ALL, timeout=2 * BUSY)
    return per(500, frame_times(page), began, now(page))


def is_smooth(frames: list[int], idle: float) -> bool:
    """Whether there are next to no fewer than `idle` a second, for one second and a half."""
    best = max((min(frames[n : n + 3]) for n in range(max(1, len(frames) - 2))), default=0)
    return best >= 0.8 * idle / 2


def number(page: Page, row: str, column: int) -> float:
    text = page.locator(f"#{row} td").nth(column).inner_text()
    return float(text.replace(",", "").removesuffix(" ms"))


def test_a_worker_leaves_the_page_its_frames(page: Page, server: Server) -> None:
    open_example(page, f"{server.url}/examples/worker.html?count={COUNT}&id={ID}")
    idle = idle_rate(page)
    frames = take(page, "a worker")
    deadline = time.monotonic() + 90
    while not is_smooth(frames, idle) and time.monotonic() < deadline:
        frames = take(page, "a worker")
    assert is_smooth(frames, idle), f"idle {idle} a second, else in each half: {frames}"
    expect(page.locator("#said")).to_contain_text(f"{COUNT:,}")
    where = "getComputedStyle(document.querySelector('#track div')).left"
    before = page.evaluate(f"said.textContent = '', {where}")
    page.get_by_role("button", name="Take it in the page").click()
    page.wait_for_function(
        f"before => {where} !== before && document.activeElement.ariaDisabled === 'true'",
        arg=before,
        timeout=BUSY,
    )
    expect(page.locator("#said")).to_have_text(ALL, timeout=2 * BUSY)
    expect(page.locator("#said")).to_contain_text(f"{COUNT:,}")
    assert {connection["sent"] for connection in server.journal(ID)} == {COUNT}
    assert number(page, "page", 0) > 0
    assert number(page, "page", 1) < number(page, "worker", 1)


@pytest.mark.complains
def test_needs_no_headers(page: Page, static_host: AppServer) -> None:
    with Server(allow_origins=[static_host.url]) as server:
        console = listen(page)
        url = f"{static_host.url}/some/path/web/examples/worker.html"
        open_example(page, f"{url}?server={server.ws_url('')}&count=1000")
        assert not page.evaluate("crossOriginIsolated")
        take(page, "a worker")
        # PyScript's own, to whom it may concern: this worker touches neither.
        assert all("`window` or `document` in worker" in text for text in console.complaints)
    for where in ("a worker", "the page"):
        page.get_by_role("button", name=where).click()
        expect(page.locator("#said")).to_contain_text(
            f"could not connect to {server.ws_url('/ws/points')}", timeout=BUSY
        )


@pytest.mark.parametrize(("scheme", "motion"), [("light", "no-preference"), ("dark", "reduce")])
def test_fits(page_as: PageAs, look: Look, server: Server, scheme: Any, motion: Any) -> None:
    page = page_as(scheme, motion=motion)
    open_example(page, f"{server.url}/examples/worker.html?count=10000")
    take(page, "the page")
    take(page, "a worker")
    expect(page.locator("#nobody td").last).to_contain_text("ms", timeout=BUSY)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        look(page, "worker", scheme)
    expect(page.locator("#track")).to_be_visible(visible=motion == "no-preference")
