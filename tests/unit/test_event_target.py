"""The list of listeners: the DOM's rules, one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from readystate.core.listeners import Listeners

from .rules import Rule, follow, parse

RULES = """
listeners are reached in the order in which they were added, and once each
    add open a b a; add message c       ? types=message,open
    dispatch open               > a b
    dispatch message            > c
    dispatch close                      ? has:open=True has:close=False types=message,open
one that captures is another listener, and is reached first
    add open a b b+capture c+capture
    dispatch open               > b c a b
    remove open b; dispatch open > b c a
    remove open b+capture; dispatch open > c a
what was not added cannot be removed
    add open a; remove open b; remove open a+capture; remove message a
    dispatch open               > a
one that is for once is gone when it is reached
    add open a+once b                   ? only:open=None
    dispatch open               > a b   ? only:open=b
    dispatch open               > b
adding one again changes nothing of it
    add open a a+once; dispatch open; dispatch open > a a
    add message a+once a; dispatch message; dispatch message > a
an aborted signal removes its listeners, and lets none be added
    add open a+signal b; add message c+signal ? types=message,open
    abort                               ? types=open has:message=False only:open=b
    add open d+signal; dispatch open; dispatch message > b
    add open a; dispatch open   > b a
a handler has a place of its own, which the next one takes, unless it was cleared before
    add open a; handle open a; add open b ? handler:open=a
    dispatch open               > a a b
    handle open c; remove open c; dispatch open > a c b
    handle open                         ? handler:open=None
    handle open; handle open d; dispatch open > a b d
    handle message e                    ? handler:message=e types=message,open
    handle message                      ? types=open
a handler is reached after those that capture, and none is set by nothing
    handle open                         ? types=
    handle open a; add open b+capture; dispatch open > b a
a handler may be added as a listener too
    handle open a; add open a; dispatch open > a a
    remove open a; dispatch open > a    ? handler:open=a
the only listener is what may be called at once, unless it may go by itself
    add open a                          ? only:open=a
    add open b                          ? only:open=None
    remove open a                       ? only:open=b
    handle message c                    ? only:message=c
    handle message d                    ? only:message=d
    handle message                      ? only:message=None
    add error a+once; add close a+signal ? only:error=None only:close=None
while an event is dispatched what is removed is passed over, and what is added waits for the next
    add open a b; handle open old
    during open remove open b   > a old
    during open add open c      > a old
    during open handle open new > a new c
    during open clear           > a     ? types=
all can be removed
    add open a; handle message b; clear ? types= handler:message=None
    dispatch open; dispatch message
"""


@dataclass(eq=False)
class Signal:
    aborted: bool = False


@pytest.mark.parametrize("rule", parse(RULES))
def test_rule(rule: Rule) -> None:
    """Of listeners without options, with ``capture``, for ``once``, or with a ``signal``."""
    listeners, signal = Listeners(), Signal()

    def do(what: str, type: str = "", *words: str) -> list[Any]:
        match what:
            case "add":
                for callback, _, how in (word.partition("+") for word in words):
                    options: dict[str, Any] = {how: signal if how == "signal" else True}
                    listeners.add(type, callback, **(options if how else {}))
            case "remove":
                callback, _, how = words[0].partition("+")
                listeners.remove(type, callback, capture=how == "capture")
            case "handle":
                listeners.set_handler(type, words[0] if words else None)
            case "dispatch":
                return [*listeners.reached_by(type)]
            case "during":  # Each that is reached does this.
                return [callback for callback in listeners.reached_by(type) if not do(*words)]
            case "abort":
                signal.aborted = True
            case "clear":
                listeners.clear()
        return []

    def look(name: str) -> object:
        if name == "types":
            return ",".join(sorted(listeners.types()))
        method, _, type = name.partition(":")
        return getattr(listeners, method)(type)

    follow(rule, do, look)


def test_a_bound_method_is_the_same_listener_each_time() -> None:
    """Though it is another object, and another one for each object that has the method."""
    listeners, one, other = Listeners(), Counter[str](a=1), Counter[str](b=1)
    for callback in (one.elements, one.elements, other.elements):
        listeners.add("open", callback)
    assert list(listeners.reached_by("open")) == [one.elements, other.elements]
    listeners.remove("open", one.elements)
    assert list(listeners.reached_by("open")) == [other.elements]
