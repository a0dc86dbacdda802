"""The list of listeners against the DOM's own steps, and its rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
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


@dataclass
class Model:
    """The DOM, word by word: one list, and signals that remove when they are aborted."""

    entries: list[Entry] = field(default_factory=list)
    signals: list[tuple[FakeSignal, Entry]] = field(default_factory=list)

    def add(self, entry: Entry, signal: FakeSignal | None) -> None:
        if signal is not None and signal.aborted:
            return
        for other in self.entries:
            if not other.handler and (other.type, other.callback, other.capture) == (
                entry.type,
                entry.callback,
                entry.capture,
            ):
                return
        self.entries.append(entry)
        if signal is not None:
            self.signals.append((signal, entry))

    def remove(self, type: str, callback: str, capture: bool) -> None:
        self.entries = [
            entry
            for entry in self.entries
            if entry.handler
            or (entry.type, entry.callback, entry.capture) != (type, callback, capture)
        ]

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


types = st.sampled_from(["open", "message", "close"])
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
        assert {
            type for type in ("open", "message", "close") if self.listeners.has(type)
        } == expected
        for type in ("open", "message", "close"):
            handlers = [
                entry.callback
                for entry in self.model.entries
                if entry.handler and entry.type == type
            ]
            assert self.listeners.handler(type) == (handlers[0] if handlers else None)
            only = self.listeners.only(type)
            entries = [entry for entry in self.model.entries if entry.type == type]
            if only is not None:
                assert [(entry.callback, entry.once) for entry in entries] == [(only, False)]
            if len(entries) == 1 and entries[0].handler:
                assert only == entries[0].callback


TestAgainstTheDom = AgainstTheDom.TestCase


def test_one_that_is_removed_while_an_event_is_dispatched_is_passed_over() -> None:
    listeners = Listeners()
    for callback in "abc":
        listeners.add("open", callback)
    reached: list[Any] = []
    for callback in listeners.reached_by("open"):
        reached.append(callback)
        listeners.remove("open", "b")
    assert reached == ["a", "c"]


def test_one_that_is_added_while_an_event_is_dispatched_waits_for_the_next() -> None:
    listeners = Listeners()
    listeners.add("open", "a")
    for _ in listeners.reached_by("open"):
        listeners.add("open", "b")
    assert list(listeners.reached_by("open")) == ["a", "b"]


def test_a_handler_that_is_replaced_while_an_event_is_dispatched_is_the_new_one() -> None:
    listeners = Listeners()
    listeners.add("open", "a")
    listeners.set_handler("open", "old")
    reached: list[Any] = []
    for callback in listeners.reached_by("open"):
        reached.append(callback)
        listeners.set_handler("open", "new")
    assert reached == ["a", "new"]


def test_clear() -> None:
    listeners = Listeners()
    listeners.add("open", "a")
    listeners.add("open", "b")
    reached: list[Any] = []
    for callback in listeners.reached_by("open"):
        reached.append(callback)
        listeners.clear()
    assert reached == ["a"]
    assert listeners.types() == set()


@given(st.lists(st.tuples(callbacks, st.booleans()), unique=True))
def test_order_is_kept_behind_those_with_capture(added: list[tuple[str, bool]]) -> None:
    listeners = Listeners()
    for callback, capture in added:
        listeners.add("open", callback, capture=capture)
    expected = sorted(added, key=lambda item: not item[1])
    assert list(listeners.reached_by("open")) == [callback for callback, _ in expected]
