"""Checked values from a URL's query; invalid ones are answered with 400."""

import math
from collections.abc import Mapping

from aiohttp import web


def refuse(name: str, text: str, wanted: str) -> web.HTTPBadRequest:
    """Return the 400 for an invalid value of `name`."""
    return web.HTTPBadRequest(text=f"{name}={text!r} is not valid: give {wanted}.\n")


class Query:
    """Typed access to query parameters. Methods raise HTTPBadRequest for invalid values."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """Return the value, or None if it is absent."""
        return self._values.get(name)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        text = self._values.get(name)
        if text is None:
            return default
        if text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high:
            return int(text)
        raise refuse(name, text, f"a whole number from {low} to {high}")

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number like integer(), or None if it is absent."""
        return self.integer(name, low, low, high) if name in self._values else None

    def seconds(self, name: str, default: float, high: float) -> float:
        """Return a duration in seconds, from 0 to `high`."""
        text = self._values.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if 0 <= value <= high:
            return value
        raise refuse(name, text, f"seconds from 0 to {high:g}")

    def choice(self, name: str, *choices: str) -> str:
        """Return one of `choices`; the first is the default."""
        text = self._values.get(name, choices[0])
        if text in choices:
            return text
        raise refuse(name, text, f"one of {', '.join(choices)}")

    def flag(self, name: str, default: bool = False) -> bool:
        """Return True for 1, False for 0."""
        return self.choice(name, *("10" if default else "01")) == "1"
