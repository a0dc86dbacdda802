"""Checks of options: each names the option, what it takes, and what was given. Pure logic."""

from __future__ import annotations

import math
from typing import Any

from .handlers import refuse_coroutine_function


def seconds(name: str, value: float | None) -> None:
    """An option that is a number of seconds, or ``None``.

    Raises:
        TypeError: ``value`` is no number.
        ValueError: It is negative, or not a number.
    """
    if value is not None and not (_is_number(name, value, "a number of seconds") and value >= 0):
        raise ValueError(f"{name}={value!r} must be a number of seconds, not negative")


def positive(name: str, value: float) -> None:
    """An option that is a number of seconds, more than none.

    Raises:
        TypeError: ``value`` is no number.
        ValueError: It is not more than 0, or not a number.
    """
    if not (_is_number(name, value, "a number of seconds") and value > 0):
        raise ValueError(f"{name}={value!r} must be more than 0 seconds")


def within(name: str, value: float, least: float, most: float, what: str) -> None:
    """An option that is a number from ``least`` to ``most``; ``what`` says so.

    Raises:
        TypeError: ``value`` is no number.
        ValueError: It is less, or more, or not a number.
    """
    if not (_is_number(name, value, "a number") and least <= value <= most):
        raise ValueError(f"{name}={value!r} must be {what}")


def flag(name: str, value: Any) -> None:
    """An option that is ``True`` or ``False``.

    Raises:
        TypeError: ``value`` is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} must be True or False")


def bound(name: str, value: int | None, *, least: int = 0) -> float:
    """An option that is a bound; returns it as a number: without a limit, for ``None``.

    Raises:
        TypeError: ``value`` is no number.
        ValueError: It is less than ``least``.
    """
    if value is None:
        return math.inf
    if not (_is_number(name, value, "a number, or None") and value >= least):
        raise ValueError(f"{name}={value!r} must be at least {least}")
    return value


def choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """An option that is one of a few words.

    Raises:
        ValueError: It is none of ``choices``.
    """
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name}={value!r} must be {', '.join(others)} or {last}")


def instance(name: str, value: Any, kind: type) -> None:
    """An option that is an object of the package, or ``None``.

    Raises:
        TypeError: ``value`` is something else.
    """
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} must be a {kind.__name__}, or None")


def function(name: str, value: Any) -> None:
    """An option that is a function, plain or async, or ``None``.

    Raises:
        TypeError: ``value`` cannot be called.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name}={value!r} must be a function, or None")


def plain_function(name: str, value: Any) -> None:
    """An option that is a function whose answer is needed at once.

    Raises:
        TypeError: ``value`` cannot be called, or is a coroutine function.
    """
    if not callable(value):
        raise TypeError(f"{name}={value!r} must be a function")
    refuse_coroutine_function(name, value)


def _is_number(name: str, value: Any, what: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={value!r} must be {what}")
    return True
