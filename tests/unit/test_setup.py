"""How ``python -m tests.setup`` looks for browsers: each way in turn, and never for long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from tests import browsers, setup
from tests.engines import webkit


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that were tried; none of them is possible, and nothing is installed."""
    ways: list[str] = []

    def way(name: str) -> Any:
        def impossible(browser: str) -> None:
            ways.append(f"{name} {browser}")
            raise setup.NotPossible("not in this test")

        return impossible

    monkeypatch.setattr(setup, "installed", lambda name: iter(()))
    monkeypatch.setattr(setup, "try_launch", lambda name, options: None)
    monkeypatch.setattr(setup, "download", way("download"))
    monkeypatch.setattr(setup, "install_package", way("package"))
    return ways


def test_each_way_is_tried_and_said(tried: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.find("firefox") is None
    assert tried == ["download firefox", "package firefox"]
    said = capsys.readouterr().out
    assert "firefox: not downloaded by Playwright: not in this test" in said
    assert "firefox: not from the system's packages: not in this test" in said


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
    installed: list[str] = []

    def install(name: str) -> None:
        installed.append(name)
        missing.clear()

    capabilities = {"browserVersion": "2.50"}
    browser = SimpleNamespace(get=lambda url: None, title="ready", capabilities=capabilities)
    monkeypatch.setattr(webkit, "missing", lambda: missing)
    monkeypatch.setattr(setup, "install_package", install)
    monkeypatch.setattr(webkit, "launched", lambda: nullcontext(browser))
    assert setup.find_webkitgtk()
    assert installed == ["webkitgtk"]
    said = capsys.readouterr().out
    assert "webkitgtk: not installed: Xvfb not found" in said
    assert "webkitgtk: 2.50 (" in said


@pytest.mark.parametrize(
    ("find", "told"),
    [
        (setup.find_webkitgtk, "install WebKitWebDriver with its MiniBrowser, and Xvfb, by hand"),
        (
            lambda: setup.find_server("nats", ("nats-server",)),
            "install nats-server (https://github.com/nats-io/nats-server/releases) by hand",
        ),
    ],
)
def test_what_no_known_package_manager_has_is_to_be_installed_by_hand(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    find: Callable[[], bool],
    told: str,
) -> None:
    monkeypatch.setattr("shutil.which", {"dnf": "/usr/bin/dnf"}.get)
    assert not find()
    assert told in capsys.readouterr().out


def test_a_command_that_hangs_is_ended() -> None:
    code = "import time; print('working on it', flush=True); time.sleep(600)"
    with pytest.raises(setup.NotPossible, match="working on it"):
        setup.run([sys.executable, "-c", code], timeout=1)


def test_what_is_not_set_up_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(browsers, "FOUND", tmp_path / "none.json")
    with pytest.raises(RuntimeError, match=r"-m tests\.setup"):
        browsers.launch_options("chromium")
