"""How ``python -m tests.setup`` looks for browsers: each way in turn, and never for long."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from tests import browsers, setup
from tests.engines import webkit


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that were tried; none of them is possible, and nothing is installed."""
    ways: list[str] = []

    def impossible(way: str, browser: str) -> None:
        ways.append(f"{way} {browser}")
        raise setup.NotPossible("not in this test")

    monkeypatch.setattr(setup, "installed", lambda name: iter(()))
    monkeypatch.setattr(setup, "try_launch", lambda name, options: None)
    monkeypatch.setattr(setup, "_SERVERS", {"nats": ("there-is-no-nats",)})
    for way in ("download", "install_package"):
        monkeypatch.setattr(setup, way, partial(impossible, way))
    return ways


def test_each_way_is_tried_and_said(tried: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.find("firefox") is None
    assert setup.find("nats") is None
    assert tried == ["download firefox", "install_package firefox", "install_package nats"]
    said = capsys.readouterr().out
    assert "firefox: not downloaded by Playwright: not in this test" in said
    assert "firefox: not from the system's packages: not in this test" in said
    assert "nats: not installed: there-is-no-nats not found" in said


@pytest.mark.parametrize("good", [{0, 1}, {1}])
def test_what_is_installed_is_enough_if_it_can_be_driven(
    tried: list[str], monkeypatch: pytest.MonkeyPatch, good: set[int]
) -> None:
    found = [{"executable_path": "/old"}, {"executable_path": "/new"}]
    launch = lambda name, options: "1.0" if found.index(options) in good else None  # noqa: E731
    monkeypatch.setattr(setup, "installed", lambda name: iter(found))
    monkeypatch.setattr(setup, "try_launch", launch)
    assert setup.find("chromium") == found[min(good)]
    assert tried == []


def test_without_a_network_the_download_is_given_up_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("PLAYWRIGHT_DOWNLOAD_HOST", raising=False)
    monkeypatch.setattr(setup, "_DOWNLOAD_HOST", "nowhere.invalid")
    with pytest.raises(setup.NotPossible, match="out of reach"):
        setup.download("firefox")


@pytest.mark.parametrize(
    ("name", "packages"), [("firefox", "firefox-esr"), ("webkitgtk", "webkit2gtk-driver xvfb")]
)
def test_without_root_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, packages: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", {"apt-get": "/usr/bin/apt-get"}.get)
    with pytest.raises(setup.NotPossible, match=f"as root: apt-get install {packages}"):
        setup.install_package(name)


def test_webkitgtk_is_installed_if_it_is_not_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["Xvfb"]

    def install(name: str) -> None:
        assert name == "webkitgtk"
        missing.clear()

    capabilities = {"browserVersion": "2.50"}
    browser = SimpleNamespace(get=lambda url: None, title="ready", capabilities=capabilities)
    monkeypatch.setattr(webkit, "missing", lambda: missing)
    monkeypatch.setattr(setup, "install_package", install)
    monkeypatch.setattr(webkit, "launched", lambda: nullcontext(browser))
    assert setup.find("webkitgtk") == {}
    said = capsys.readouterr().out
    assert "webkitgtk: not installed: Xvfb not found" in said
    assert "webkitgtk: 2.50 (" in said


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("webkitgtk", "WebKitWebDriver with its MiniBrowser, and Xvfb,"),
        ("nats", "nats-server (https://github.com/nats-io/nats-server/releases)"),
    ],
)
def test_what_no_known_package_manager_has_is_to_be_installed_by_hand(
    monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setattr("shutil.which", {"dnf": "/usr/bin/dnf"}.get)
    with pytest.raises(setup.NotPossible, match=re.escape(f"; install {what} by hand")):
        setup.install_package(name)


def test_a_command_that_hangs_is_ended() -> None:
    code = "import time; print('working on it', flush=True); time.sleep(600)"
    with pytest.raises(setup.NotPossible, match="working on it"):
        setup.run([sys.executable, "-c", code], timeout=1)


def test_what_is_not_set_up_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(browsers, "FOUND", tmp_path / "none.json")
    with pytest.raises(RuntimeError, match=r"-m tests\.setup"):
        browsers.launch_options("chromium")
