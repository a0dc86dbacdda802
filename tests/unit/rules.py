"""Rules, told as what happens line by line.

A rule has a title, perhaps with options in brackets, and lines below it::

    an end sends no more than the window of the other one  [other=3,10]
        send a b c d    > a b c
        < ack:1
        send            > d             ? confirmed=1

A line says what is done (one thing after the other, with ``;`` between them), after ``>`` all that
comes of it, after ``!`` how it fails, and after ``?`` what holds then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

_LINE = re.compile(
    r"(?P<does>[^>!?]*)(?:>(?P<gives>[^!?]*))?(?:!(?P<fails>[^?]*))?(?:\?(?P<shows>.*))?"
)


class Line(NamedTuple):
    text: str
    does: list[list[str]]
    gives: list[str]
    fails: str
    shows: dict[str, str]


class Rule(NamedTuple):
    options: dict[str, str]
    lines: list[Line]


def parse_line(text: str) -> Line:
    match = _LINE.fullmatch(text)
    assert match is not None, text
    does, gives, fails, shows = (part or "" for part in match.groups())
    return Line(
        text.strip(),
        [action.split() for action in does.split(";") if action.strip()],
        gives.split(),
        fails.strip(),
        pairs(shows),
    )


def pairs(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


def parse(text: str) -> list[Any]:
    """The rules of a text, each a parameter whose id is its title."""
    parameters = []
    for block in re.split(r"\n(?=\S)", dedent(text).strip()):
        head, *lines = block.splitlines()
        title, _, options = head.partition("  [")
        rule = Rule(
            pairs(options.rstrip("]")), [parse_line(line) for line in lines if line.strip()]
        )
        parameters.append(pytest.param(rule, id=title))
    return parameters


def follow(
    rule: Rule,
    do: Callable[..., list[str]],
    look: Callable[[str], object],
    *errors: type[Exception],
) -> None:
    """Does what the lines say, and sees to it that what they say comes of it.

    ``do`` does one thing, and returns the words for what comes of it; ``look`` returns what is
    looked at, by its name. It may fail with one of ``errors``, which are told by their names.
    """
    for line in rule.lines:
        gives: list[str] = []
        fails = ""
        for action in line.does:
            try:
                gives += do(*action)
            except errors as error:
                fails = type(error).__name__
        seen = f"{line.text}\nand not: > {' '.join(gives)} ! {fails}"
        assert (gives, fails) == (line.gives, line.fails), seen
        shows = {name: shown(look(name)) for name in line.shows}
        assert shows == line.shows, f"{line.text}\nand not: ? {shows}"


def shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
