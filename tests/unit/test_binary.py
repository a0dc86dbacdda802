"""The bytes of binary data, and the length of text."""

from __future__ import annotations

import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readystate.core.binary import utf8_length, view

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
