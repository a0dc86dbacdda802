"""The exceptions, as far as they can be had without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

import readystate
from readystate import ConnectionFailed, DOMException, OpenTimeout, exceptions

NAMES = [
    (readystate.InvalidStateError, "InvalidStateError", 11),
    (readystate.DOMSyntaxError, "SyntaxError", 12),
    (readystate.InvalidAccessError, "InvalidAccessError", 15),
    (readystate.SecurityError, "SecurityError", 18),
    (readystate.QuotaExceededError, "QuotaExceededError", 22),
]


@pytest.mark.parametrize(("cls", "name", "code"), NAMES)
def test_each_has_the_name_and_code_of_the_standard(
    cls: type[DOMException], name: str, code: int
) -> None:
    error = cls("what the browser says")
    assert isinstance(error, DOMException)
    assert (error.name, error.code, error.message) == (name, code, "what the browser says")
    assert str(error) == "what the browser says"
    assert error.js_error is None


def test_another_name_is_a_plain_dom_exception() -> None:
    error = DOMException("stopped", "AbortError", code=20)
    assert (error.name, error.code, str(error)) == ("AbortError", 20, "stopped")


def test_the_syntax_error_is_not_pythons() -> None:
    assert not issubclass(readystate.DOMSyntaxError, SyntaxError)


def test_the_tree_in_the_reference_is_complete() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "exceptions.md"
    tree = page.read_text(encoding="utf-8")
    for name in exceptions.__all__:
        assert f"── {name} " in tree


def test_what_fails_in_a_page_has_all_of_its_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser makes one handshake at a time to each host, and may wait for its visitor."""
    monkeypatch.setattr(exceptions, "_IN_A_PAGE", True)
    url = "ws://127.0.0.1:81/feed"
    text = str(OpenTimeout(url, 10))
    assert text.startswith(f"{url} has not accepted the connection within 10 s. ")
    assert "for another handshake with the same host, as it makes one at a time" in text
    assert text.endswith("for the user to permit that")
    text = str(OpenTimeout(url, 10, permission="'loopback-network' is 'prompt'"))
    assert text.endswith("permit that ('loopback-network' is 'prompt')")
    text = str(ConnectionFailed(url))
    assert "has the user permitted that? From an https: page" in text
    text = str(ConnectionFailed(url, permission="'loopback-network' is 'denied'"))
    assert "permitted that ('loopback-network' is 'denied')? From an https: page" in text


def test_outside_browsers_there_is_no_permission_to_be_named() -> None:
    for error in (OpenTimeout("ws://h/", 10), ConnectionFailed("ws://h/")):
        assert "permission" not in str(error)
