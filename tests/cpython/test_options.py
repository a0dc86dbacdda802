"""Options that are wrong are refused where they are given, by name, with what they take."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from readystate import (
    Acks,
    Backoff,
    Heartbeat,
    QueuedWebSocket,
    SendQueue,
    Session,
    State,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import raises, url

from .conftest import AT_ONCE, forever, taken

PLACE = "ws://127.0.0.1:1/"

QUEUE_OPTIONS: dict[str, Sequence[Any]] = {
    "max_pending": [-1, "1", math.nan, True],
    "max_pending_bytes": [-1, "1"],
    "on_full": ["drop", 1, None, []],
    "in_doubt": ["keep", 1, None],
    **dict.fromkeys(("max_unconfirmed", "max_unconfirmed_bytes"), (0, "1")),
    "ttl": [-1, "1", math.nan],
}
CONNECTION_OPTIONS: dict[str, Sequence[Any]] = {
    **dict.fromkeys(("close_timeout", "give_up_after", "max_queue", "max_queue_bytes"), (-1, "1")),
    "max_attempts": [0, "1"],
    "backoff": [1, "1", {}],
    "on_overflow": ["wait", None],
}
OPTIONS: dict[str, tuple[Callable[..., Any], dict[str, Sequence[Any]]]] = {
    "QueuedWebSocket": (
        functools.partial(QueuedWebSocket, PLACE),
        {
            **QUEUE_OPTIONS,
            **CONNECTION_OPTIONS,
            "protocols": [1, 1.5],
            "connect_timeout": [-1, "1"],
            "should_reconnect": [True, "yes"],
            "heartbeat": ["ping", 20],
            "acks": ["id", True],
            "session": ["id", 1],
            "on_open": ["token"],
            "on_state": [[]],
            "max_resends": [0, "1"],
        },
    ),
    "SendQueue": (SendQueue, {**QUEUE_OPTIONS, "ws": ["ws://host/", 1]}),
    "connect": (
        functools.partial(connect, PLACE),
        {
            **CONNECTION_OPTIONS,
            "subprotocols": [1],
            "open_timeout": [-1, "1"],
            "write_limit": ["1", -1, (1, 2), (1,), None, (2, "1")],
            "transport": ["tcp", None],
            "process_exception": [True],
        },
    ),
    "Heartbeat": (
        lambda **options: Heartbeat(**{"message": "x", "interval": 1, "timeout": 1, **options}),
        {
            "message": [1, ["ping"]],
            **dict.fromkeys(("interval", "timeout"), (0, -0.5, math.nan, -math.inf, "1", None)),
            "is_reply": ["pong", True],
            "when_quiet": [1, None],
        },
    ),
    "a watchdog": (
        lambda **options: Heartbeat(**{"timeout": 1, **options}),
        {"interval": [1], "is_reply": [bool], "when_quiet": [True]},
    ),
    "Acks": (
        lambda **options: Acks(**{"key": str, "acked": list, **options}),
        {"key": ["id", None], "acked": ["id", None], "pass_on": [1, "no"]},
    ),
    "Session": (
        Session,
        {
            **dict.fromkeys(("interval", "timeout"), (0, "1", None)),
            "persist": ["localStorage", True],
            "name": [1],
        },
    ),
    "Backoff": (
        Backoff,
        {
            "initial": [-1, "1", 100, math.nan],
            "maximum": [-1, "1", math.nan],
            "factor": [0.5, "2"],
            "jitter": [2, -0.1, "1"],
            "healthy": [-1, "1"],
            "random": [0.5],
        },
    ),
}
CASES = [
    pytest.param(make, option, value, id=f"{name}-{option}-{value!r}")
    for name, (make, options) in OPTIONS.items()
    for option, values in options.items()
    for value in values
]


@pytest.mark.parametrize(("make", "option", "value"), CASES)
async def test_a_wrong_value_is_refused_by_name(
    make: Callable[..., Any], option: str, value: Any
) -> None:
    with raises(TypeError, ValueError, match=rf"\b{option}\b") as caught:
        make(**{option: value})
    if value in (-1, 0, "wait", (1, 2)):
        assert isinstance(caught.value, ValueError)
    if isinstance(caught.value, ValueError):
        assert f"{option}={value!r}" in str(caught.value)


@pytest.mark.parametrize("make", [QueuedWebSocket, connect])
@pytest.mark.parametrize("given", [None, 1, b"ws://host/", ["ws://host/"]])
async def test_a_url_of_a_wrong_type_is_refused(make: Any, given: Any) -> None:
    with raises(TypeError, match="url="):
        make(given)


async def answer(*_: object) -> bool:
    return True


class Answers:
    async def __call__(self, *_: object) -> bool:
        return True


@pytest.mark.parametrize("function", [answer, functools.partial(answer, 1), Answers()])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("message", lambda f: Heartbeat(f, interval=1, timeout=1)),
        ("is_reply", lambda f: Heartbeat("x", interval=1, timeout=1, is_reply=f)),
        ("key", lambda f: Acks(f, list)),
        ("acked", lambda f: Acks(str, f)),
        ("random", lambda f: Backoff(random=f)),
    ],
)
async def test_a_coroutine_function_is_refused_where_the_answer_is_needed_at_once(
    name: str, make: Callable[[Any], object], function: Any
) -> None:
    with raises(TypeError, match=f"{name} must be a plain function"):
        make(function)


async def test_a_function_that_returns_a_coroutine_all_the_same_is_reported() -> None:
    heartbeat = Heartbeat("beat", interval=60, timeout=60, is_reply=lambda message: answer(message))
    async with QueuedWebSocket(url("/ws/echo"), heartbeat=heartbeat, close_timeout=0.1) as ws:
        ws.send("not taken for a reply")
        assert await ws.recv() == "not taken for a reply"
    message = "is_reply must return its result at once, but returned a coroutine"
    assert {*map(str, taken())} == {message}


# Whatever goes wrong inside, nobody waits for ever


BREAKING: dict[str, dict[str, Any]] = {
    "readystate.core.reconnector.Reconnector.connected": {},
    "readystate.core.reconnector.Reconnector.ended": {},
    "readystate.queue.confirmations.LeftThePage._confirm_and_look_again": {},
    "readystate.queue.confirmations.LeftThePage.received": {},
    "readystate.queue.heart.Beating._beat_once": {
        "heartbeat": Heartbeat("beat", interval=0.01, timeout=30)
    },
    "readystate.queue.sender.Sender.connect": {},
    "readystate.queue.sender.Sender.release": {},
    "readystate.core.outbox.Outbox.expire": {"url": forever, "ttl": 0.01},
}


class UnexpectedError(Exception):
    pass


@pytest.mark.parametrize("where", BREAKING)
async def test_an_unexpected_exception_ends_it_with_that(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UnexpectedError

    options = {"url": url("/ws/close", code=1011, after=1), "backoff": AT_ONCE, **BREAKING[where]}
    ws = QueuedWebSocket(**options)
    monkeypatch.setattr(where, fail)
    ws.start()
    ws.send("abc")
    with raises(UnexpectedError):
        async for _ in ws:
            pass
    assert ws.state is State.CLOSED
    await ws.drain()
    assert UnexpectedError in map(type, taken())


async def test_a_send_queue_that_fails_inside_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("readystate.queue.confirmations.LeftThePage._confirm_and_look_again", fail)
    queue = SendQueue(WebSocket(url("/ws/echo")))
    delivery = queue.send("abc")
    await queue.drain()
    assert delivery.reason == "closed"
    assert [*map(type, taken())] == [ZeroDivisionError]


@pytest.mark.parametrize(
    "options", [{"targetAddressSpace": "local"}, {"protocols": ["a"]}, {"b": 1}]
)
async def test_options_of_the_standard_are_no_subprotocols(options: dict[str, Any]) -> None:
    """Options are a browser's, and none that is not known goes over the wire as a subprotocol."""
    told = "must be a str or an iterable of str, not a mapping: outside browsers there are no"
    with raises(TypeError, match=told):
        WebSocket(PLACE, options)
    with raises(TypeError, match=told):
        await connect(PLACE, subprotocols=options)
    for session in (True, False):
        with raises(TypeError, match=told):
            QueuedWebSocket(PLACE, options, session=session).start()
