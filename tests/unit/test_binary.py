"""The bytes of binary data, and the length of text."""

from __future__ import annotations

import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate.core.binary import SEPARATOR, text_in, texts_in, utf8, utf8_length, view

SQUARE = memoryview(b"abcd").cast("B", (2, 2))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (array.array("H", [1, 2]), array.array("H", [1, 2]).tobytes()),
        (SQUARE, b"abcd"),
        (memoryview(b""), b""),
        (array.array("d"), b""),
    ],
)
def test_what_has_bytes(data: Any, expected: bytes) -> None:
    memory = view(data)
    assert memory is not None
    assert (bytes(memory), len(memory), memory.ndim) == (expected, len(expected), 1)


@pytest.mark.parametrize("data", ["text", None, 1, [1], {"a": 1}])
def test_what_has_none(data: Any) -> None:
    assert view(data) is None


@given(st.text())
def test_text_is_counted_in_utf8(text: str) -> None:
    assert utf8_length(text) == len(text.encode())


@pytest.mark.parametrize(
    ("text", "length"), [("\ud800", 3), ("\ud83d\ude00", 4), ("a\udc00b", 5), ("\0", 1)]
)
def test_surrogates_are_joined_or_replaced_as_in_browsers(text: str, length: int) -> None:
    assert utf8_length(text) == length


@given(st.lists(st.text(), min_size=1))
def test_texts_that_crossed_together_are_taken_apart_or_refused(texts: list[str]) -> None:
    """What a browser writes for them, up to where they end, in a buffer that is longer."""
    written = utf8(SEPARATOR.join(texts))
    buffer = memoryview(bytearray(written + b"left from before"))
    found = texts_in(buffer[: len(written)], len(texts))
    is_plain = not any(set(text) & {SEPARATOR, "\ufffd"} for text in texts)
    assert found == (texts if is_plain else None)


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_a_text_that_crossed_alone_may_have_a_separator_but_no_lone_surrogate(text: str) -> None:
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    expected = None if surrogates or "\ufffd" in text else text
    # Two lone ones beside each other are one character to a browser.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "\ufffd" not in joined:
        expected = joined
    assert text_in(utf8(text)) == expected
