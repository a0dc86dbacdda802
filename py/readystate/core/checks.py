"""Checks of options. Each error names the option, its value, and what is valid. Pure logic."""

from __future__ import annotations

import math
from typing import Any

from .handlers import refuse_coroutine_function


def seconds(name: str, value: float | None) -> None:
    """Checks a number of seconds, or ``None``.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: It is negative or NaN.
    """
    if value is not None and not (_is_number(name, value, "a number of seconds") and value >= 0):
        raise ValueError(f"{name}={value!r} must be a number of seconds, not negative")


def positive(name: str, value: float) -> None:
    """Checks a positive number of seconds.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: It is 0, negative or NaN.
    """
    if not (_is_number(name, value, "a number of seconds") and value > 0):
        raise ValueError(f"{name}={value!r} must be more than 0 seconds")


def within(name: str, value: float, least: float, most: float, what: str) -> None:
    """Checks a number from ``least`` to ``most``, described by ``what``.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: It is out of that range.
    """
    if not (_is_number(name, value, "a number") and least <= value <= most):
        raise ValueError(f"{name}={value!r} must be {what}")


def flag(name: str, value: Any) -> None:
    """Checks ``True`` or ``False``.

    Raises:
        TypeError: ``value`` is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} must be True or False")


def bound(name: str, value: int | None, *, least: int = 0) -> float:
    """Checks a limit, and returns it as a number: infinity for ``None``.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: It is less than ``least``.
    """
    if value is None:
        return math.inf
    if not (_is_number(name, value, "a number, or None") and value >= least):
        raise ValueError(f"{name}={value!r} must be at least {least}")
    return value


def choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Checks one of a few words.

    Raises:
        ValueError: ``value`` is none of ``choices``.
    """
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name}={value!r} must be {', '.join(others)} or {last}")


def instance(name: str, value: Any, kind: type) -> None:
    """Checks an instance of ``kind``, or ``None``.

    Raises:
        TypeError: ``value`` is something else.
    """
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} must be a {kind.__name__}, or None")


def function(name: str, value: Any) -> None:
    """Checks a function, plain or async, or ``None``.

    Raises:
        TypeError: ``value`` is not callable.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name}={value!r} must be a function, or None")


def plain_function(name: str, value: Any) -> None:
    """Checks a plain function.

    Raises:
        TypeError: ``value`` is not callable, or is a coroutine function.
    """
    if not callable(value):
        raise TypeError(f"{name}={value!r} must be a function")
    refuse_coroutine_function(name, value)


def _is_number(name: str, value: Any, what: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={value!r} must be {what}")
    return True
