"""What a case is, and what it reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

from readystate import DOMException, WebSocket

from .natives import IS_MICROPYTHON

Function = Callable[["Report"], Awaitable[None]]


class Report:
    """What a case saw.

    Attributes:
        engine: Its name.
        failing: The address, ``ws://host:port``, of a server for connections that fail: a browser
            delays further ones to where some have failed.
        thrown: The exceptions, as the package raised them and as the engine threw them.
        seen: Anything else.
        departures: What is not as the standard has it, and not evened out.
    """

    def __init__(self, engine: str, failing: str) -> None:
        self.engine: str = engine
        self.failing: str = failing
        self.thrown: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self.departures: list[str] = []

    def throws(self, kind: type[Exception], call: Callable[[], object]) -> Any:
        """Asserts that ``call`` raises ``kind``, with its standard name and code; returns it.

        What it raises is reported, whatever it is.
        """
        try:
            call()
        except Exception as error:
            self.thrown.append(described(error))
            assert type(error) is kind, f"it raised {error!r}"
            if isinstance(error, DOMException):
                assert kind.name == error.name  # type: ignore[attr-defined]
                assert kind.code == error.code  # type: ignore[attr-defined]
                assert error.message == str(error) != ""
                if cause_of(error) is None:
                    # Ours; or the engine's, with a secret of the URL that is not shown.
                    assert error.js_error is None or error.js_error.message != error.message
                else:
                    assert error.js_error.message == error.message
            return error
        raise AssertionError("it raised nothing")

    def expects(self, standard: object, seen: object, **known: object) -> None:
        """Asserts that ``seen`` is what the standard says, or what this engine is known for.

        Those are the departures that cannot or should not be evened out; they are listed in
        docs/background/engines.md.
        """
        if seen == standard:
            self.saw(seen)
            return
        departure = f"departs: {seen}, and not {standard}"
        self.saw(departure)
        # MicroPython departs by itself, or as the browser does that it runs in.
        names = self.engine.split("-")
        assert seen == known.get(names[0], known.get(names[-1])), departure
        self.departures.append(departure)

    def saw(self, *what: object) -> None:
        """Reports something that engines may differ in."""
        self.seen.append(" ".join(map(str, what)))


def described(error: Exception) -> dict[str, Any]:
    """An exception as the table shows it: what Python sees, then what the engine threw."""
    cause = cause_of(error)
    return {
        "class": type(error).__name__,
        "name": getattr(error, "name", type(error).__name__),
        "code": getattr(error, "code", None),
        "message": str(error),
        "native": None
        if cause is None
        else {
            "class": str(cause.constructor.name),
            "name": str(cause.name),
            "code": getattr(cause, "code", None),
            "message": str(cause.message),
        },
    }


def cause_of(error: Exception) -> Any:
    """What the engine threw; ``None`` if it threw nothing."""
    if IS_MICROPYTHON:  # which knows no causes
        return getattr(error, "js_error", None)
    cause: Any = error.__cause__
    return None if cause is None else cause.js_error


def told_of(ws: WebSocket, *types: str) -> list[str]:
    """The types of the events of these types that there are, as they come."""
    seen: list[str] = []
    for type in types:
        ws.addEventListener(type, lambda event: seen.append(event.type))
    return seen


class Case:
    """One fact.

    Attributes:
        name: What it is about, for the table.
        function: Runs in the engine, and raises if it does not hold.
        left_out: The engines in which it is not run, and why.
    """

    def __init__(self, name: str, function: Function, left_out: Mapping[str, str]) -> None:
        self.name: str = name
        self.function: Function = function
        self.left_out: Mapping[str, str] = left_out


class Cases:
    """The cases of a module."""

    def __init__(self) -> None:
        self._cases: list[Case] = []

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases)

    def add(
        self, name: str, left_out: Mapping[str, str] | None = None
    ) -> Callable[[Function], Function]:
        """Makes the decorated function a case."""

        def added(function: Function) -> Function:
            self._cases.append(Case(name, function, left_out or {}))
            return function

        return added

    def each(
        self, name: str, rows: Any
    ) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
        """Makes the decorated function a case for each row of a table, and gives it what is there.

        In the name, "{}" stands for the row's. A tuple is given value by value; rows without names
        are their own.
        """
        named = rows.items() if hasattr(rows, "items") else [(str(row), row) for row in rows]

        def added(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
            for title, row in named:
                values = row if isinstance(row, tuple) else (row,)
                self.add(name.replace("{}", title))(partial(_called, function, values))
            return function

        return added


def _called(
    function: Callable[..., Awaitable[None]], values: tuple[Any, ...], report: Report
) -> Awaitable[None]:
    return function(report, *values)
