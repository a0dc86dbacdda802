"""The list of listeners against the DOM's own steps, and its rules one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from readystate.core.listeners import Listeners


@dataclass(eq=False)
class FakeSignal:
    aborted: bool = False


@dataclass(eq=False)
class Entry:
    """A listener as https://dom.spec.whatwg.org/#concept-event-listener describes it."""

    type: str
    callback: str | None
    capture: bool
    once: bool
    handler: bool = False

    def is_for(self, type: str, callback: str | None, capture: bool) -> bool:
        mine = (self.type, self.callback, self.capture)
        return not self.handler and mine == (type, callback, capture)


@dataclass
class Model:
    """The DOM, word by word: one list, and signals that remove when they are aborted."""

    entries: list[Entry] = field(default_factory=list)
    signals: list[tuple[FakeSignal, Entry]] = field(default_factory=list)

    def add(self, entry: Entry, signal: FakeSignal | None) -> None:
        if signal is not None and signal.aborted:
            return
        if any(e.is_for(entry.type, entry.callback, entry.capture) for e in self.entries):
            return
        self.entries.append(entry)
        if signal is not None:
            self.signals.append((signal, entry))

    def remove(self, type: str, callback: str, capture: bool) -> None:
        self.entries = [e for e in self.entries if not e.is_for(type, callback, capture)]

    def abort(self, signal: FakeSignal) -> None:
        signal.aborted = True
        gone = [entry for other, entry in self.signals if other is signal]
        self.entries = [entry for entry in self.entries if entry not in gone]

    def set_handler(self, type: str, callback: str | None) -> None:
        mine = [entry for entry in self.entries if entry.handler and entry.type == type]
        if callback is None:
            self.entries = [entry for entry in self.entries if entry not in mine]
        elif mine:
            mine[0].callback = callback
        else:
            self.entries.append(Entry(type, callback, capture=False, once=False, handler=True))

    def dispatch(self, type: str) -> list[str | None]:
        called = []
        for capture in (True, False):
            for entry in list(self.entries):
                if entry.type == type and entry.capture == capture:
                    called.append(entry.callback)
                    if entry.once:
                        self.entries.remove(entry)
        return called


TYPES = ("open", "message", "close")
types = st.sampled_from(TYPES)
callbacks = st.sampled_from("abcd")


class AgainstTheDom(RuleBasedStateMachine):
    """Any sequence of calls leaves the listeners as the DOM's own steps do."""

    @initialize()
    def begin(self) -> None:
        self.listeners, self.model = Listeners(), Model()
        self.signals = [FakeSignal(), FakeSignal()]

    @rule(
        type=types,
        callback=callbacks,
        capture=st.booleans(),
        once=st.booleans(),
        signal=st.sampled_from([None, None, 0, 1]),
    )
    def add(self, type: str, callback: str, capture: bool, once: bool, signal: int | None) -> None:
        chosen = None if signal is None else self.signals[signal]
        self.listeners.add(type, callback, capture=capture, once=once, signal=chosen)
        self.model.add(Entry(type, callback, capture, once), chosen)

    @rule(type=types, callback=callbacks, capture=st.booleans())
    def remove(self, type: str, callback: str, capture: bool) -> None:
        self.listeners.remove(type, callback, capture=capture)
        self.model.remove(type, callback, capture)

    @rule(signal=st.sampled_from([0, 1]))
    def abort(self, signal: int) -> None:
        self.model.abort(self.signals[signal])
        self.signals[signal] = FakeSignal()

    @rule(type=types, callback=st.none() | callbacks)
    def set_handler(self, type: str, callback: str | None) -> None:
        self.listeners.set_handler(type, callback)
        self.model.set_handler(type, callback)

    @rule(type=types)
    def dispatch(self, type: str) -> None:
        assert list(self.listeners.reached_by(type)) == self.model.dispatch(type)

    @invariant()
    def the_types_are_known(self) -> None:
        expected = {entry.type for entry in self.model.entries}
        assert self.listeners.types() == expected
        for type in TYPES:
            assert self.listeners.has(type) == (type in expected)
            entries = [entry for entry in self.model.entries if entry.type == type]
            handler = next((entry.callback for entry in entries if entry.handler), None)
            assert self.listeners.handler(type) == handler
            only = self.listeners.only(type)
            if only is not None:
                assert [(entry.callback, entry.once) for entry in entries] == [(only, False)]
            if len(entries) == 1 and entries[0].handler:
                assert only == entries[0].callback


TestAgainstTheDom = AgainstTheDom.TestCase


@pytest.mark.parametrize(
    ("change", "reached", "then"),
    [
        (lambda listeners: listeners.remove("open", "b"), ["a", "old"], ["a", "old"]),
        (lambda listeners: listeners.add("open", "c"), ["a", "b", "old"], ["a", "b", "old", "c"]),
        (
            lambda listeners: listeners.set_handler("open", "new"),
            ["a", "b", "new"],
            ["a", "b", "new"],
        ),
        (Listeners.clear, ["a"], []),
    ],
    ids=["removed", "added", "a handler is replaced", "all are removed"],
)
def test_while_an_event_is_dispatched(
    change: Callable[[Listeners], object], reached: list[Any], then: list[Any]
) -> None:
    """What is removed is passed over, and what is added waits for the next."""
    listeners = Listeners()
    listeners.add("open", "a")
    listeners.add("open", "b")
    listeners.set_handler("open", "old")
    seen = []
    for callback in listeners.reached_by("open"):
        seen.append(callback)
        change(listeners)
    assert seen == reached
    assert list(listeners.reached_by("open")) == then
    assert listeners.types() == ({"open"} if then else set())


def test_a_bound_method_is_the_same_listener_each_time() -> None:
    """Though it is another object, and another one for each object that has the method."""
    listeners, one, other = Listeners(), Counter[str](a=1), Counter[str](b=1)
    for callback in (one.elements, one.elements, other.elements):
        listeners.add("open", callback)
    assert list(listeners.reached_by("open")) == [one.elements, other.elements]
    listeners.remove("open", one.elements)
    assert list(listeners.reached_by("open")) == [other.elements]
