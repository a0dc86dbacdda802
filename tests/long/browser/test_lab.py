"""The first page: what runs by itself, and the race of the ways to send the first messages."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Route, expect

from readystate_server.lab import Server
from tests.browsers import ROOT

from .conftest import PageAs

WEB = ROOT / "web"
WAYS = (
    "send_at_once",
    "sleep_then_send",
    "send_queue",
    "send_on_open",
    "check_ready_state",
    "queue_until_open",
)
SENDING = WAYS[1:]
BOOT = 60_000
BROKEN = re.compile(r"The connection to \S+/ws/(peer|session)\?\S+ was interrupted")
# PyScript's own Python evaluates JavaScript; nothing is inline.
STRICT = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src data:; "
    "connect-src 'self' ws:; base-uri 'none'; form-action 'none'"
)


def complaints(page: Page) -> list[str]:
    """What the page writes to its console as an error or a warning, from now on.

    But not what Firefox says of the connections that the page breaks.
    """
    found: list[str] = []

    def complain(text: str) -> None:
        if not BROKEN.match(text):
            found.append(text)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complain(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complain(str(error)))
    return found


def hold_python(page: Page) -> Callable[[], None]:
    """Has pages not get Python until the function that this returns is called."""
    held: list[Route] = []
    page.route("**/pyodide.asm.wasm", lambda route: held.append(route))

    def release() -> None:
        # The page may say that it loads it a little before it asks for it.
        while not held:
            page.wait_for_timeout(50)
        held[0].continue_()

    return release


def expect_run(page: Page) -> None:
    expect(page.locator("#lab")).to_have_attribute("data-state", "done", timeout=BOOT)


def way(page: Page, name: str) -> Locator:
    return page.locator(f"#{name}")


def field(page: Page, name: str, what: str) -> Locator:
    return way(page, name).locator(f"[data-field={what}]")


def number(page: Page, name: str, what: str) -> float:
    value = way(page, name).get_attribute(f"data-{what}")
    assert value is not None
    return float(value)


def setting(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name)


def row(page: Page, name: str) -> list[str]:
    """What the table of the result says of a way, or of the group that it is in."""
    return line(page, name).locator("[data-field]").all_inner_texts()


def line(page: Page, name: str) -> Locator:
    return page.locator(f"#result [data-way={name if name in WAYS[:2] else 'ask'}]")


def times(page: Page, name: str, what: str) -> list[float]:
    """When something happened, by a timeline in words."""
    label = line(page, name).locator("svg.timeline").get_attribute("aria-label")
    assert label is not None
    return [float(time) for time in re.findall(rf"{what} (?:at|from) (\d+)", label)]


def assert_says(element: Locator, pattern: str, number: float) -> None:
    """The element has words with that number, each of which was rounded by itself."""
    expect(element).to_have_text(re.compile(pattern))
    found = re.search(pattern, element.inner_text())
    assert found is not None
    assert float(found[1]) == pytest.approx(number, abs=0.55)


def assert_as_in_the_journal(page: Page, server: Server, name: str, count: int) -> None:
    """What the page says of the arrivals is what the server has got, in order."""
    id = way(page, name).get_attribute("data-id")
    shown = way(page, name).get_attribute("data-arrived")
    assert id is not None
    assert shown is not None
    [connection] = server.journal(id, closed=1)
    assert connection["opened"]
    assert connection["close"]["clean"]
    arrived = [message["data"] for message in connection["messages"]]
    assert arrived == [f"message {number}" for number in range(1, len(arrived) + 1)]
    assert [float(time) for time in shown.split()] == pytest.approx(
        [message["time"] * 1000 for message in connection["messages"]], abs=0.01
    )
    lost = count - len(arrived)
    assert lost == (count if way(page, name).get_attribute("data-outcome") == "failed" else 0)
    expect(field(page, name, "lost")).to_have_text(f"{lost} of {count}")
    assert row(page, name)[-1] == (
        f"{lost} of {count}" if name in WAYS[:2] else f"0 of {4 * count}"
    )


def height(locator: Locator) -> float:
    box = locator.bounding_box()
    assert box is not None
    return box["height"]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def ran(browser: Browser, server: Server) -> Iterator[tuple[Page, list[str]]]:
    """The page after its first run, and what its console said."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said = complaints(page)
    page.goto(f"{server.url}/")
    expect_run(page)
    yield page, said
    context.close()


class Site(threading.Thread):
    """A plain web server for a folder, which knows nothing of WebSockets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        handler = functools.partial(_Quiet, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def run(self) -> None:
        self.http.serve_forever(0.05)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def static_host(server: Server, tmp_path: Path) -> Iterator[Site]:
    """web/ below a path of a host that has none of the server's endpoints."""
    (tmp_path / "some" / "path").mkdir(parents=True)
    (tmp_path / "some" / "path" / "web").symlink_to(WEB)
    site = Site(tmp_path)
    site.start()
    yield site
    site.stop()


def test_nothing_complains_on_the_console(ran: tuple[Page, list[str]]) -> None:
    page, said = ran
    assert said == []
    expect(page.locator(".trouble:visible")).to_have_count(0)


@pytest.mark.parametrize("name", WAYS)
def test_each_way_comes_to_a_verdict(ran: tuple[Page, list[str]], name: str) -> None:
    page, _ = ran
    place = way(page, name) if name in WAYS[:2] else page.locator("#ask")
    expect(place.locator(".verdict")).not_to_be_empty()
    assert number(page, name, "opened") >= 300
    label = line(page, name).locator("svg.timeline").get_attribute("aria-label")
    assert label is not None
    assert re.match("Timeline: CONNECTING from 0 to .* OPEN from .* CLOSED from", label)


def test_sending_at_once_raises_what_the_browser_throws(ran: tuple[Page, list[str]]) -> None:
    page, _ = ran
    expect(field(page, "send_at_once", "exception")).to_have_text("InvalidStateError")
    expect(field(page, "send_at_once", "code")).to_have_text("11")
    thrown = page.evaluate(
        """() => {
            const socket = new WebSocket(`ws://${location.host}/ws/sink`);
            try { socket.send(""); } catch (error) { return error.message; }
            finally { socket.onopen = () => socket.close(); }
        }"""
    )
    expect(field(page, "send_at_once", "message")).to_have_text(thrown)
    expect(way(page, "send_at_once")).to_have_attribute("data-outcome", "failed")


@pytest.mark.parametrize("name", WAYS)
def test_arrivals_are_those_of_the_journal(
    ran: tuple[Page, list[str]], server: Server, name: str
) -> None:
    page, _ = ran
    assert_as_in_the_journal(page, server, name, 3)
    if name in SENDING:
        arrived = [
            float(time) for time in (way(page, name).get_attribute("data-arrived") or "").split()
        ]
        # Two clocks that start within the time that a request takes.
        assert number(page, name, "sent") == pytest.approx(arrived[0], abs=1000)
        assert_says(field(page, name, "arrived"), r"([\d.]+) ms", arrived[0])
    else:
        expect(field(page, name, "arrived")).to_have_text("never")


def test_the_result_is_that_of_the_ways(ran: tuple[Page, list[str]]) -> None:
    page, _ = ran
    words = {"good": "on time", "late": "late", "failed": "fails"}
    for name in WAYS:
        outcome, after_open, _ = row(page, name)
        assert outcome == words[str(way(page, name).get_attribute("data-outcome"))]
        if name in SENDING:
            # It arrives after it was sent.
            assert float(after_open.partition(" ms")[0]) >= number(page, name, "wasted") - 1
        else:
            assert after_open == "never"
        link = line(page, name).locator("a")
        target = page.locator(str(link.get_attribute("href")))
        assert link.inner_text() == target.locator("h3").inner_text()
    wasted = number(page, "sleep_then_send", "wasted")
    assert_says(page.locator("#said"), r"sleep\(1\) wasted ([\d.]+) ms", wasted)


def test_sleep_is_late_and_the_others_are_not(ran: tuple[Page, list[str]]) -> None:
    page, _ = ran
    expect(way(page, "sleep_then_send")).to_have_attribute("data-outcome", "late")
    assert number(page, "sleep_then_send", "sent") >= 1000
    for name in WAYS[2:]:
        expect(way(page, name)).to_have_attribute("data-outcome", "good")
        assert 0 <= number(page, name, "wasted") < number(page, "sleep_then_send", "wasted")
        assert number(page, name, "sent") < number(page, "sleep_then_send", "sent")


def test_the_code_shown_is_the_code_that_runs(ran: tuple[Page, list[str]]) -> None:
    page, _ = ran
    program = re.sub(r"(?m)^ {4}", "", (WEB / "ways.py").read_text())
    for name in WAYS:
        code = way(page, name).locator("pre").inner_text().strip()
        assert "send(message)" in code
        assert f"{code}\n\n" in program


def test_the_visitor_sets_the_handshake_and_the_messages(page: Page, server: Server) -> None:
    """With the keyboard alone; what the sleep makes of a slow handshake, and of a quick one."""
    said = complaints(page)
    page.goto(f"{server.url}/")
    expect_run(page)
    delay, count = setting(page, "The handshake takes"), setting(page, "Each way sends")
    button = page.get_by_role("button", name="Run again")
    press = page.keyboard.press

    first = [way(page, name).get_attribute("data-id") for name in WAYS]
    delay.focus()
    press("End")
    expect(delay).to_have_attribute("aria-valuetext", "3,000 ms")
    press("Home")
    expect(delay).to_have_attribute("aria-valuetext", "0 ms")
    delay.fill("1500")
    press("Tab")
    expect(count).to_be_focused()
    press("Home")
    expect(count).to_have_attribute("aria-valuetext", "1 message")
    press("ArrowRight")
    expect(page.locator("output[for=count]")).to_have_text("2 messages")
    press("Tab")
    expect(button).to_be_focused()
    page.evaluate(
        """() => {
            window.told = [];
            const said = document.querySelector("#said");
            const note = () => told.push(said.textContent);
            new MutationObserver(note).observe(said, { childList: true });
        }"""
    )
    press("Enter")
    expect(page.locator("#lab")).to_have_attribute("data-state", "running")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-disabled", "true")
    expect_run(page)
    assert page.evaluate("told") == [
        *(f"Running: {number} of 6 are connected …" for number in range(6)),
        "Running: all are connected …",
        page.locator("#said").inner_text(),
    ]
    second = [way(page, name).get_attribute("data-id") for name in WAYS]
    assert all(second)
    assert not set(first) & set(second)

    for name in WAYS:
        assert_as_in_the_journal(page, server, name, 2)
        assert number(page, name, "opened") >= 1500
    thrown = field(page, "send_at_once", "message").inner_text()
    for name, least in (("send_at_once", 0), ("sleep_then_send", 1000)):
        expect(way(page, name)).to_have_attribute("data-outcome", "failed")
        expect(field(page, name, "exception")).to_have_text("InvalidStateError")
        expect(field(page, name, "code")).to_have_text("11")
        expect(field(page, name, "message")).to_have_text(thrown)
        [raised] = times(page, name, "exception")
        [opened] = times(page, name, "OPEN")
        assert least <= raised < opened
        expect(field(page, name, "verdict")).to_contain_text("2 of 2 messages are lost")
        assert row(page, name) == ["fails", "never", "2 of 2"]
    for name in WAYS[2:]:
        expect(way(page, name)).to_have_attribute("data-outcome", "good")
        assert len(times(page, name, "message sent")) == 2
        assert len(times(page, name, "message arrived")) == 2
        # Two marks of each, and the axis is long enough for them.
        assert line(page, name).locator("use").count() == 4
        last = line(page, name).locator("svg.timeline text").last.inner_html()
        assert float(last.removesuffix(" ms")) >= 1500
    expect(page.locator("#said")).to_contain_text("A second was too short")
    expect(page.locator("#said")).to_contain_text("sleep(1) lost 2 messages")

    delay.fill("0")
    count.fill("1")
    button.click()
    expect(page.locator("#lab")).to_have_attribute("data-state", "running")
    expect_run(page)
    for name in WAYS:
        assert_as_in_the_journal(page, server, name, 1)
    expect(way(page, "sleep_then_send")).to_have_attribute("data-outcome", "late")
    expect(field(page, "sleep_then_send", "message")).to_have_text("\N{EN DASH}")
    opened, sent = (number(page, "sleep_then_send", what) for what in ("opened", "sent"))
    assert sent >= 1000
    assert number(page, "sleep_then_send", "wasted") == pytest.approx(sent - opened, abs=0.02)
    assert_says(field(page, "sleep_then_send", "verdict"), r"([\d.]+) ms late", sent - opened)
    assert row(page, "sleep_then_send")[0] == "late"
    assert said == []


def test_the_page_is_there_before_python(page: Page, server: Server) -> None:
    release = hold_python(page)
    page.goto(f"{server.url}/")
    expect(page.get_by_role("status").first).to_contain_text("Loading Python", timeout=BOOT)
    expect(page.locator("#boot").get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".way, .lap").get_by_role("heading")).to_have_count(len(WAYS))
    expect(page.get_by_role("button", name="Run again")).to_be_disabled()
    expect(page.get_by_role("button", name="Break it")).to_be_disabled()
    articles = page.locator("#side_by_side, .way, .lap, #result, #said").all()
    before = [height(article) for article in articles]
    release()
    expect_run(page)
    assert [height(article) for article in articles] == pytest.approx(before, abs=1)


def test_runs_under_a_strict_policy(page: Page, server: Server, tmp_path: Path) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web)
    index = web / "index.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{STRICT}">'
    index.write_text(index.read_text().replace("<head>", f"<head>{policy}"))
    said = complaints(page)
    with Server(web_folder=web) as strict:
        page.goto(f"{strict.url}/")
        expect_run(page)
    assert said == []


def test_a_static_host_is_told_from_the_server(page: Page, static_host: Site) -> None:
    page.goto(f"{static_host.url}/some/path/web/")
    expect(page.get_by_role("alert")).to_contain_text("python -m readystate_server", timeout=BOOT)
    host = static_host.url.removeprefix("http://")
    expect(page.get_by_role("alert")).to_contain_text(f"ws://{host}/some/path/web/ws/sink")
    expect(page.locator("#lab")).to_have_attribute("data-state", "failed")
    # What needs no server is shown all the same.
    expect(field(page, "send_at_once", "exception")).to_have_text("InvalidStateError")


def test_a_server_that_comes_later_is_found(page: Page) -> None:
    with Server() as server:
        page.goto(f"{server.url}/")
        expect_run(page)
    again = page.get_by_role("button", name="Run again")
    again.click()
    expect(page.locator("#no-server")).to_be_visible(timeout=BOOT)
    with Server(port=server.port):
        again.click()
        expect_run(page)
        expect(page.locator("#no-server")).to_be_hidden()


def test_without_vendor_the_cdn_has_the_same_versions(
    page: Page, server: Server, tmp_path: Path
) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("vendor"))
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route(re.compile("^https:"), refuse)
    site = Site(web)
    site.start()
    page.goto(f"{site.url}/")
    alert = page.get_by_role("alert")
    expect(alert.first).to_contain_text("Python could not be started", timeout=BOOT)
    expect(alert.first).to_contain_text("cdn.jsdelivr.net")
    site.stop()
    [core] = [url for url in asked if url.endswith("/core.js")]
    assert re.fullmatch(r"https://cdn.jsdelivr.net/npm/@pyscript/core@[\d.]+/dist/core.js", core)


@pytest.mark.parametrize("missing", ["core.js", "pyodide.mjs", "readystate.whl", "lab.py"])
def test_what_cannot_be_loaded_is_said(page: Page, server: Server, missing: str) -> None:
    def refuse(route: Route) -> None:
        if route.request.method == "HEAD":
            route.continue_()
        else:
            route.fulfill(status=404, body="")

    page.route(f"**/{missing}", refuse)
    page.goto(f"{server.url}/")
    alert = page.get_by_role("alert")
    expect(alert.first).to_contain_text("Python could not be started", timeout=BOOT)


def test_what_does_not_come_is_said(page: Page, server: Server) -> None:
    page.route("**/pyodide.asm.wasm", lambda route: route.fulfill(status=404, body=""))
    page.goto(f"{server.url}/")
    status = page.get_by_role("status").first
    expect(status).to_contain_text("takes long", timeout=BOOT)


def test_an_exception_is_said(page: Page, server: Server) -> None:
    def break_it(route: Route) -> None:
        route.fulfill(body="raise ValueError('of no use')", content_type="text/x-python")

    page.route("**/lab.py", break_it)
    page.goto(f"{server.url}/")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("ValueError: of no use", timeout=BOOT)
    alert.get_by_text("Traceback").first.click()
    expect(alert).to_contain_text("lab.py", use_inner_text=True)


def test_a_page_without_its_script_says_so(page: Page, server: Server) -> None:
    page.route("**/boot.js", lambda route: route.abort())
    page.goto(f"{server.url}/")
    expect(page.locator(".stalled")).to_contain_text("has not started")
    expect(page.locator(".stalled")).to_be_visible(timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_fits(
    page_as: PageAs,
    browser_name: str,
    server: Server,
    width: int,
    scheme: Any,
) -> None:
    page = page_as(scheme, width=width)
    page.goto(f"{server.url}/")
    expect_run(page)
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    path = ROOT / "artifacts" / "lab" / f"{browser_name}-{width}-{scheme}.png"
    page.screenshot(path=path, full_page=True)
