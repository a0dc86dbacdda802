"""The two ends of a session: each sentence of its specification, and both over a bad network."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from readystate import Delivery, DeliveryState
from readystate.core.outbox import Outbox
from readystate.exceptions import QueueFull
from readystate.session.control import (
    DLE,
    PROTOCOL_ERROR,
    TAKEN_OVER,
    TOO_MUCH,
    ProtocolError,
    Window,
    encode,
    escape,
)
from readystate.session.core import ClientCore, Core, Hello, ServerCore

QUEUED, SENT, CONFIRMED, _ = DeliveryState

ID = "an-id_of_16_to_256"
WIDE = Window(1000, 10**6)


def make_outbox(
    max_pending: int | None = None,
    max_unconfirmed: int | None = None,
    max_unconfirmed_bytes: int | None = None,
) -> Outbox:
    return Outbox(
        max_pending=max_pending,
        max_pending_bytes=None,
        on_full="raise",
        in_doubt="resend",
        max_unconfirmed=max_unconfirmed,
        max_unconfirmed_bytes=max_unconfirmed_bytes,
    )


def size_of(message: str | bytes) -> int:
    return len(message.encode()) if isinstance(message, str) else len(message)


# Sentence by sentence: an end, and what arrives at it or leaves it


def opened(window: Sequence[int] = WIDE, *, session: str = ID, expires: float = 60) -> str:
    return encode("opened", {"session": session, "expires": expires, "window": window})


def resumed(received: int, window: Sequence[int] = WIDE) -> str:
    return encode("resumed", {"received": received, "expires": 60, "window": window})


def client(window: Window = WIDE, *, other: Sequence[int] = WIDE) -> ClientCore:
    """One that is joined, whose server has the window ``other``."""
    core = ClientCore(make_outbox(), window)
    core.hello()
    assert core.receive([opened(other)]) == []
    return core


def server(window: Window = WIDE, *, other: Window = WIDE) -> ServerCore:
    core = ServerCore(make_outbox(), window)
    core.open(Hello(None, 0, other), ID, 60)
    (answer,) = core.controls()
    assert '"opened"' in answer
    return core


def either(window: Window = WIDE, *, other: Window = WIDE) -> Iterator[Core]:
    yield client(window, other=other)
    yield server(window, other=other)


def send(core: Core, *messages: str | bytes) -> list[Any]:
    """Accepts ``messages``; returns what now goes over the connection, without controls."""
    for message in messages:
        core.outbox.accept(message, size_of(message))
    return escape([delivery.message for delivery in core.outbox.take()])


def said(core: Core) -> list[tuple[str, Any]]:
    """The controls that are to be sent now."""
    controls = core.controls()
    assert all(text[0] == DLE and text[1] != DLE for text in controls)
    return [member for text in controls for member in json.loads(text[1:]).items()]


def acks(core: Core) -> list[int]:
    return [value for kind, value in said(core) if kind == "ack"]


def finish(core: Core, done: int, held: Iterable[str | bytes] = ()) -> None:
    core.finish(done, sum(map(len, held)))


def resume(core: Core, received: int, window: Window = WIDE) -> list[Any]:
    """Another connection, over which the other end says what it has received; returns what is sent
    again.
    """
    core.disconnect()
    if isinstance(core, ServerCore):
        again = core.resume(Hello(ID, received, window, core.connection + 1), 60)
    else:
        assert isinstance(core, ClientCore)
        core.hello()
        assert core.receive([resumed(received, window)]) == []
        again = core.again
    return [delivery.message for delivery in again]


# Messages are counted


def test_each_end_counts_what_arrives_and_controls_are_not_counted() -> None:
    for core in either():
        assert core.receive(["a", encode("ask", 1), b"b", DLE * 2, encode("ack", 0)]) == [
            *("a", b"b", DLE),
        ]
        assert (core.received, core.done, core.confirmed) == (3, 0, 0)
        assert core.receive(["c", "d"]) == ["c", "d"]
        assert core.received == 5


def test_each_end_counts_what_it_sends() -> None:
    for core in either():
        assert send(core, "a", DLE, b"c") == ["a", DLE * 2, b"c"]
        core.receive([encode("ack", 2)])
        assert core.confirmed == 2
        assert core.failure is None


def test_what_is_acknowledged_is_confirmed_in_order_and_by_the_session() -> None:
    for core in either():
        deliveries = [core.outbox.accept(message, 1) for message in "abc"]
        core.outbox.take()
        core.receive([encode("ack", 2)])
        assert [delivery.state for delivery in deliveries] == [CONFIRMED, CONFIRMED, SENT]
        assert [delivery.reason for delivery in deliveries] == ["session", "session", None]
        core.receive([encode("ack", 2), encode("ack", 3)])
        assert deliveries[2].state is CONFIRMED
        assert core.failure is None


# How a session begins


def test_a_session_is_opened() -> None:
    begun = ClientCore(make_outbox(), Window(3, 30))
    assert json.loads(begun.hello()[1:]) == {"open": {"window": [3, 30]}}
    assert not begun.is_joined
    other = ServerCore(make_outbox(), Window(4, 40))
    assert not other.is_joined
    other.open(Hello.parse(begun.hello()), ID, 12.5)
    assert other.is_joined
    answer = other.controls()
    assert [json.loads(text[1:]) for text in answer] == [
        {"opened": {"session": ID, "expires": 12.5, "window": [4, 40]}}
    ]
    assert other.controls() == []
    assert begun.receive(answer) == []
    assert (begun.is_joined, begun.session, begun.expires) == (True, ID, 12.5)
    assert begun.again == []
    assert begun.failure is None


def test_a_session_is_resumed() -> None:
    core = client(Window(3, 30))
    core.receive(["a", "b"])
    core.disconnect()
    assert not core.is_joined
    assert json.loads(core.hello()[1:]) == {
        "resume": {"session": ID, "connection": 2, "received": 2, "window": [3, 30]}
    }
    # Each is another one, also if there was no answer.
    hello = Hello.parse(core.hello())
    assert hello == Hello(ID, 2, Window(3, 30), 3)

    other = server()
    send(other, "a", "b")
    other.disconnect()
    assert not other.is_joined
    assert other.resume(hello, 7) == []
    assert said(other)[0] == ("resumed", {"received": 0, "expires": 7, "window": list(WIDE)})
    assert other.is_joined


def test_members_that_are_not_known_are_ignored() -> None:
    new = {"window": [1, 2], "new": {"a": [1]}}
    assert Hello.parse(encode("open", new)) == Hello(None, 0, Window(1, 2))
    told = {"session": ID, "connection": 4, "received": 5, **new}
    assert Hello.parse(encode("resume", told)) == Hello(ID, 5, Window(1, 2), 4)
    core = ClientCore(make_outbox(), WIDE)
    core.receive([encode("opened", {"session": ID, "expires": 1, **new})])
    assert core.is_joined
    core.disconnect()
    core.receive([encode("resumed", {"received": 0, "expires": 2, **new})])
    assert core.is_joined
    assert core.expires == 2


def test_messages_may_follow_at_once() -> None:
    core = ClientCore(make_outbox(), WIDE)
    assert core.receive([opened(), "a", encode("ask", 1), b"b"]) == ["a", b"b"]
    assert core.received == 2
    assert acks(core) == [0]


def test_the_answer_comes_before_all_else() -> None:
    for core in either():
        send(core, "a")
        core.receive(["b"])
        finish(core, 1)
        core.disconnect()
        finish(core, 1)
        core.acknowledge()
        core.ask()
        assert core.controls() == []
        resume(core, 0)
        sent = [kind for kind, _ in said(core)]
        if isinstance(core, ServerCore):
            assert sent.pop(0) == "resumed"
        assert sent == ["ack"]


# Acknowledgements


def test_an_end_acknowledges_at_once_when_it_is_asked_also_if_nothing_is_new() -> None:
    for core in either():
        core.receive([encode("ask", 1)])
        assert said(core) == [("ack", 0)]
        core.receive(["a", "b", "c", encode("ask", 1)])
        assert said(core) == [("ack", 0)]


def test_however_often_it_is_asked_one_answer_waits() -> None:
    """Else whoever asks and does not read decides how much is held."""
    for core in either():
        core.receive([encode("ask", 1), "a", *[encode("ask", 1)] * 1000])
        finish(core, 1)
        assert said(core) == [("ack", 1)]
        assert said(core) == []


def test_an_end_acknowledges_again_as_soon_as_all_is_done_that_it_had_when_it_was_asked() -> None:
    for core in either():
        core.receive(["a", "b", encode("ask", 1), "c", "d"])
        assert said(core) == [("ack", 0)]
        finish(core, 1, ["b", "c", "d"])
        assert said(core) == []
        finish(core, 2, ["c", "d"])
        assert said(core) == [("ack", 2)]
        finish(core, 3, ["d"])
        finish(core, 4)
        assert said(core) == []


def test_all_that_is_done_is_acknowledged_then() -> None:
    for core in either():
        core.receive(["a", encode("ask", 1), "b", "c"])
        core.controls()
        finish(core, 2, ["c"])
        assert said(core) == [("ack", 2)]


def test_what_comes_after_the_question_does_not_put_the_answer_off() -> None:
    for core in either():
        core.receive(["a", encode("ask", 1)])
        core.controls()
        core.receive(["b"])
        finish(core, 1, ["b"])
        assert said(core) == [("ack", 1)]


def test_one_question_has_one_answer_more_and_no_third() -> None:
    for core in either():
        core.receive(["a", encode("ask", 1)])
        core.controls()
        finish(core, 1)
        assert said(core) == [("ack", 1)]
        core.receive(["b"])
        finish(core, 2)
        assert said(core) == []
        # There is nothing to wait for when all was done.
        core.receive([encode("ask", 1)])
        assert said(core) == [("ack", 2)]
        core.receive(["c"])
        finish(core, 3)
        assert said(core) == []


@pytest.mark.parametrize("messages", [1, 2, 3, 4, 5, 8, 100, 10**4])
def test_an_end_acknowledges_when_a_quarter_of_its_window_is_done_or_sooner(messages: int) -> None:
    for core in either(Window(messages, 10**9)):
        unacknowledged = 0
        for number in range(1, 3 * messages):
            core.receive(["a"])
            finish(core, number)
            unacknowledged = 0 if acks(core) else unacknowledged + 1
            assert unacknowledged < max(1, messages / 4)


@pytest.mark.parametrize("size", [1, 4, 7, 400, 10**7])
def test_a_quarter_in_bytes_too(size: int) -> None:
    for core in either(Window(10**6, size)):
        message = b"a" * max(1, size // 50)
        unacknowledged = 0
        for number in range(1, 150):
            core.receive([message])
            finish(core, number)
            unacknowledged = 0 if acks(core) else unacknowledged + len(message)
            assert unacknowledged < max(1, size / 4)


def test_nor_is_each_message_acknowledged_for_itself() -> None:
    for core in either(Window(100, 10**6)):
        told = []
        for number in range(1, 1001):
            core.receive(["a"])
            finish(core, number)
            told += acks(core)
        assert told == list(range(25, 1001, 25))


def test_what_is_held_is_not_what_is_done() -> None:
    for core in either(Window(100, 100)):
        core.receive([b"a" * 40, b"b" * 40, b"c"])
        finish(core, 1, [b"b" * 40, b"c"])
        assert acks(core) == [1]
        core.receive([b"d"])
        finish(core, 1, [b"b" * 40, b"c", b"d"])
        assert acks(core) == []
        finish(core, 2, [b"c", b"d"])
        assert acks(core) == [2]


def test_it_is_known_when_something_is_done_that_is_to_be_acknowledged_in_some_seconds() -> None:
    for core in either():
        assert not core.has_unacknowledged
        core.receive(["a"])
        assert not core.has_unacknowledged
        finish(core, 1)
        assert core.has_unacknowledged
        assert said(core) == []
        core.acknowledge()
        assert not core.has_unacknowledged
        assert said(core) == [("ack", 1)]


def test_what_is_done_without_a_connection_is_acknowledged_over_the_next_one() -> None:
    for core in either():
        core.receive(["a", "b"])
        core.disconnect()
        finish(core, 2)
        core.acknowledge()
        assert core.controls() == []
        assert core.has_unacknowledged
        resume(core, 0)
        assert acks(core) == [2]
        assert not core.has_unacknowledged


def test_an_acknowledgement_that_may_be_lost_is_repeated_over_the_next_connection() -> None:
    for core in either():
        core.receive(["a"])
        finish(core, 1)
        core.acknowledge()
        resume(core, 0)
        assert acks(core) == [1]


# Questions


def test_there_is_something_to_ask_for_until_it_is_asked_for() -> None:
    for core in either():
        assert not core.has_unasked
        send(core, "a", "b")
        assert core.has_unasked
        core.ask()
        assert said(core) == [("ask", 1)]
        assert not core.has_unasked
        send(core, "c")
        assert not core.has_unasked  # Until there is an answer.
        core.receive([encode("ack", 0)])
        assert core.has_unasked
        core.ask()
        core.receive([encode("ack", 0)])
        assert not core.has_unasked  # An answer is on its way.
        core.receive([encode("ack", 3)])
        assert not core.has_unasked
        assert said(core) == [("ask", 1)]


def test_what_is_confirmed_unasked_need_not_be_asked_for() -> None:
    for core in either():
        send(core, "a", "b")
        core.receive([encode("ack", 1)])
        assert core.has_unasked
        core.receive([encode("ack", 2)])
        assert not core.has_unasked


def test_to_see_that_the_connection_lives_it_asks_anyhow() -> None:
    for core in either():
        for _ in range(2):
            core.ask()
            assert said(core) == [("ask", 1)]
        core.receive([encode("ack", 0), encode("ack", 0)])
        assert core.failure is None
        send(core, "a")
        assert core.has_unasked


def test_for_the_window_it_asks_once_for_each_half_of_what_is_unconfirmed() -> None:
    for core in either(other=Window(8, 10**6)):
        send(core, *"abc")
        assert not core.is_short_of_window
        send(core, "d")
        assert core.is_short_of_window
        core.ask()
        core.receive([encode("ack", 0)])
        send(core, *"efg")
        assert not core.is_short_of_window  # The answer about four of the seven is to come.
        send(core, "h")
        assert core.is_short_of_window
        core.ask()
        core.receive([encode("ack", 4)])
        assert core.outbox.is_window_half_full
        assert not core.is_short_of_window  # All four were asked about.


@given(
    window=st.integers(1, 9),
    steps=st.lists(st.sampled_from(["send", "ask", "answer", "ack", "lose"]), max_size=60),
)
def test_who_may_not_send_has_asked_or_will(window: int, steps: list[str]) -> None:
    """Else both ends would wait forever."""
    for core in either(other=Window(window, 10**6)):
        for step in steps:
            if step == "send":
                send(core, "a")
            elif step == "ask" and core.is_short_of_window and core.has_unasked:
                core.ask()
            elif step in ("answer", "ack"):
                core.receive([encode("ack", core.confirmed + (step == "ack" and has_sent(core)))])
            elif step == "lose":
                resume(core, core.confirmed, Window(window, 10**6))
            if core.outbox.unconfirmed >= window:
                assert core.is_short_of_window or core._asked_about > core.confirmed


def has_sent(core: Core) -> bool:
    return core.outbox.unconfirmed > 0


def test_over_another_connection_it_asks_again() -> None:
    for core in either():
        send(core, "a")
        core.ask()
        core.disconnect()
        core.ask()
        resume(core, 1)
        assert "ask" not in dict(said(core))
        assert core.has_unasked
        core.ask()
        core.receive([encode("ack", 0)])  # And again only for what is new.
        assert not core.has_unasked
        send(core, "b")
        assert core.has_unasked


def test_a_question_of_the_connection_before_is_forgotten() -> None:
    for core in either():
        core.receive(["a", "b", encode("ask", 1)])
        resume(core, 0)
        core.controls()
        finish(core, 2)
        assert acks(core) == []


# Windows


def test_an_end_sends_no_more_than_the_window_of_the_other_one() -> None:
    for core in either(other=Window(3, 10)):
        assert send(core, *"abcd") == ["a", "b", "c"]
        assert send(core) == []
        core.receive([encode("ack", 1)])
        assert send(core) == ["d"]
        core.receive([encode("ack", 4)])
        assert send(core, b"1" * 6, b"2" * 4, b"3") == [b"1" * 6, b"2" * 4]
        core.receive([encode("ack", 5)])
        assert send(core) == [b"3"]


def test_text_counts_in_utf_8() -> None:
    for core in either(other=Window(100, 10)):
        assert send(core, "é" * 4, "é", "a") == ["é" * 4, "é"]


def test_a_single_message_may_always_be_on_its_way() -> None:
    for core in either(other=Window(5, 10)):
        assert send(core, "a" * 1000, "b") == ["a" * 1000]
        core.receive([encode("ack", 1)])
        assert send(core, "c" * 1000) == ["b"]
        core.receive([encode("ack", 2)])
        assert send(core, "d") == ["c" * 1000]
        core.receive([encode("ack", 3)])
        assert send(core) == ["d"]


def test_a_single_message_may_always_arrive() -> None:
    for core in either(Window(5, 10)):
        for number in range(1, 4):
            assert len(core.receive(["a" * 1000])) == 1
            finish(core, number)
        assert core.failure is None


def test_an_end_keeps_its_own_bounds_too() -> None:
    outbox = make_outbox(max_unconfirmed=2, max_unconfirmed_bytes=5)
    core = ClientCore(outbox, WIDE)
    core.receive([opened([3, 4])])
    assert send(core, *"abc") == ["a", "b"]
    core.receive([encode("ack", 2)])
    assert send(core, "ddd", "ee") == ["c", "ddd"]


@pytest.mark.parametrize("is_mixed", [False, True])
def test_all_of_the_window_may_be_used_and_not_one_more(is_mixed: bool) -> None:
    mixed = [encode("ask", 1)] if is_mixed else []
    for core in either(Window(3, 100)):
        assert core.receive([*mixed, *"abc"]) == [*"abc"]
        assert core.failure is None
        assert core.receive([*mixed, "d"]) == []
        assert core.failure is not None
        assert core.failure.code == TOO_MUCH
    for core in either(Window(100, 10)):
        assert len(core.receive([*mixed, b"a" * 6, b"b" * 4])) == 2
        assert core.failure is None
        assert core.receive([*mixed, b"c"]) == []
        assert core.failure is not None
        assert core.failure.code == TOO_MUCH


@pytest.mark.parametrize("is_mixed", [False, True])
def test_what_comes_before_one_too_much_is_received(is_mixed: bool) -> None:
    """Else whoever sends all at once decides how much is held."""
    mixed = [encode("ask", 1)] if is_mixed else []
    for core in either(Window(3, 100)):
        assert core.receive([*mixed, *"abcdef"]) == [*"abc"]
        assert core.failure is not None
        assert core.received == 3


def test_there_is_room_for_what_is_done() -> None:
    for core in either(Window(3, 10)):
        core.receive([b"aaa", b"bbb", b"cccc"])
        finish(core, 2, [b"cccc"])
        assert len(core.receive([b"ddd", b"eee"])) == 2
        assert core.failure is None


def test_a_message_too_large_needs_the_window_for_itself() -> None:
    for core in either(Window(3, 10)):
        core.receive([b"a"])
        assert core.receive([b"b" * 10]) == []
        assert core.failure is not None
        assert core.failure.code == TOO_MUCH
    for core in either(Window(3, 10)):
        core.receive([b"b" * 11])
        assert core.receive([b"a"]) == []
        assert core.failure is not None
        assert core.failure.code == TOO_MUCH


# Resumption


@pytest.mark.parametrize("received", range(2, 6))
def test_exactly_what_was_not_received_is_sent_again(received: int) -> None:
    """It may be more than what was acknowledged, or just that."""
    for core in either():
        deliveries = [core.outbox.accept(message, 1) for message in "abcde"]
        core.outbox.take()
        core.receive([encode("ack", 2)])
        assert resume(core, received) == [*"abcde"][received:]
        # It confirms nothing.
        assert core.confirmed == 2
        assert [delivery.state for delivery in deliveries] == [CONFIRMED] * 2 + [SENT] * 3
        # They are not sent a second time, and what is new comes after them.
        assert send(core, "f") == ["f"]
        core.receive([encode("ack", 6)])
        assert (core.confirmed, core.failure) == (6, None)


def test_it_may_be_less_than_on_the_connection_before() -> None:
    for core in either():
        send(core, *"abcde")
        core.receive([encode("ack", 1)])
        assert resume(core, 4) == ["e"]
        assert resume(core, 2) == ["c", "d", "e"]
        assert resume(core, 1) == ["b", "c", "d", "e"]
        assert resume(core, 5) == []
        assert core.failure is None


def test_what_was_never_sent_waits_and_is_not_sent_again() -> None:
    for core in either(other=Window(2, 100)):
        assert send(core, *"abc") == ["a", "b"]
        assert resume(core, 1, Window(2, 100)) == ["b"]
        core.receive([encode("ack", 1)])
        assert send(core) == ["c"]


def test_there_is_nothing_to_be_sent_again_where_nothing_was() -> None:
    for core in either():
        assert resume(core, 0) == []
        assert core.failure is None


def test_what_arrived_before_the_loss_is_not_received_again() -> None:
    for core in either():
        core.receive(["a", "b", "c"])
        finish(core, 1, ["b", "c"])
        core.disconnect()
        assert (core.received, core.done) == (3, 1)
        if isinstance(core, ClientCore):
            assert json.loads(core.hello()[1:])["resume"]["received"] == 3
        else:
            resume(core, 0)
            assert said(core)[0][1]["received"] == 3


def test_what_is_to_be_sent_again_is_that_of_this_connection() -> None:
    core = client()
    send(core, *"abc")
    assert resume(core, 1) == ["b", "c"]
    core.disconnect()
    assert core.again == []
    assert core.session == ID
    assert resume(core, 3) == []


@pytest.mark.parametrize("received", [1, 6])
def test_what_the_other_end_cannot_have_received_is_refused(received: int) -> None:
    """Less than it has acknowledged, or more than was sent."""
    core = client()
    send(core, *"abcde")
    core.receive([encode("ack", 2)])
    core.disconnect()
    assert core.receive([resumed(received)]) == []
    assert core.failure is not None
    assert core.failure.code == PROTOCOL_ERROR
    assert not core.is_joined

    other = server()
    send(other, *"abcde")
    other.receive([encode("ack", 2)])
    with pytest.raises(ProtocolError) as caught:
        other.resume(Hello(ID, received, WIDE, 2), 60)
    assert caught.value.code == PROTOCOL_ERROR
    # That was a fault of one connection: the session goes on over the other.
    assert other.is_joined
    other.disconnect()
    assert other.resume(Hello(ID, 2, WIDE, 2), 60)


@pytest.mark.parametrize("connection", [0, 1, 2, 3])
def test_a_resumption_that_is_late_changes_nothing(connection: int) -> None:
    """Its client has given that connection up, and has another one."""
    core = server()
    send(core, "a")
    core.resume(Hello(ID, 0, WIDE, 3), 60)
    before = core.controls()
    with pytest.raises(ProtocolError) as caught:
        core.resume(Hello(ID, 1, WIDE, connection), 60)
    assert caught.value.code == TAKEN_OVER
    assert core.is_joined
    assert (len(before), core.controls()) == (1, [])
    core.receive([encode("ack", 1)])
    assert core.confirmed == 1


def test_who_has_nothing_unacknowledged_need_not_wait_for_the_answer() -> None:
    core = client()
    assert core.need_not_wait
    send(core, "a")
    assert not core.need_not_wait
    core.receive([encode("ack", 1)])
    core.disconnect()
    core.hello()
    assert send(core, "b", "c") == ["b", "c"]
    core.receive([resumed(1)])
    assert core.failure is None
    assert core.again == []
    # If these are lost, they are sent again like all others.
    assert resume(core, 2) == ["c"]


def test_what_comes_right_behind_the_first_control_is_none_of_the_answer() -> None:
    core = client()
    core.disconnect()
    core.hello()
    send(core, "a")
    core.receive([resumed(1)])
    assert core.failure is not None
    assert core.failure.code == PROTOCOL_ERROR


def test_who_goes_on_with_what_was_kept_has_to_wait() -> None:
    """It has not heard yet how much the server takes."""
    core = ClientCore(make_outbox(), WIDE, session=ID, connection=1)
    core.hello()
    assert not core.need_not_wait
    core.receive([resumed(0, Window(1, 1))])
    assert core.failure is None
    assert core.need_not_wait
    assert send(core, "a", "b") == ["a"]


def test_a_new_client_has_to_wait() -> None:
    assert not ClientCore(make_outbox(), WIDE).need_not_wait


def test_what_was_not_sent_of_the_controls_is_lost_with_the_connection() -> None:
    for core in either():
        send(core, "a")
        core.receive(["b"])
        core.ask()
        core.acknowledge()
        core.disconnect()
        assert core.controls() == []


# What ends were, before their process ended


def restored(core: Core, done: int, confirmed: int, messages: Sequence[str]) -> Core:
    """A new end, in the place of ``core``, by what was saved of it."""
    outbox = make_outbox()
    deliveries = outbox.restore(confirmed, [(message, size_of(message)) for message in messages])
    assert [delivery.message for delivery in deliveries] == [*messages]
    if isinstance(core, ServerCore):
        return ServerCore(outbox, WIDE, done=done)
    return ClientCore(outbox, WIDE, done=done, session=ID)


def test_what_is_received_and_not_done_is_lost_with_the_process() -> None:
    for core in either():
        core.receive(["a", "b", "c"])
        finish(core, 1, ["b", "c"])
        again = restored(core, 1, 0, [])
        assert (again.received, again.done) == (1, 1)
        if isinstance(again, ClientCore):
            assert json.loads(again.hello()[1:])["resume"]["received"] == 1
        resume(again, 0)
        if isinstance(again, ServerCore):
            assert said(again)[0][1]["received"] == 1
        # And arrives again.
        assert again.receive(["b", "c", encode("ask", 1)]) == ["b", "c"]
        finish(again, 3)
        assert acks(again)[-1] == 3
        assert again.received == 3


@pytest.mark.parametrize("received", range(3, 6))
def test_what_is_unconfirmed_outlives_the_process(received: int) -> None:
    for core in either():
        again = restored(core, 0, 3, ["d", "e"])
        assert again.confirmed == 3
        assert resume(again, received) == ["d", "e"][received - 3 :]
        assert send(again, "f") == ["f"]
        again.receive([encode("ack", 6)])
        assert (again.confirmed, again.failure) == (6, None)


@pytest.mark.parametrize("received", [2, 6])
def test_a_restored_end_knows_too_what_cannot_be(received: int) -> None:
    again = restored(client(), 0, 3, ["d", "e"])
    again.receive([resumed(received)])
    assert again.failure is not None


def test_a_restored_client_without_a_session_begins_one() -> None:
    core = ClientCore(make_outbox(), WIDE)
    assert core.session is None
    assert '"open"' in core.hello()


# Failures


FIRST: list[Any] = [
    "",
    "a message",
    b"a message",
    DLE.encode() + b'{"open":{"window":[1,1]}}',
    DLE,
    DLE + "{",
    DLE + encode("open", {"window": [1, 1]}),
    encode("open", 1),
    encode("open", {}),
    encode("open", {"window": [0, 1]}),
    encode("ack", 0),
    encode("ask", 1),
    opened(),
    resumed(0),
    encode("opened", {"session": ID, "received": 0, "expires": 1, "window": [1, 1]}),
    encode("resumed", {"session": ID, "received": 0, "expires": 1, "window": [1, 1]}),
    *(
        encode("resume", {"session": ID, "connection": 2, "received": 0, "window": [1, 1], **wrong})
        for wrong in (
            {"connection": None},
            {"connection": -1},
            {"received": None},
            {"received": -1},
            {"received": 2**53},
            {"window": None},
            {"session": "short"},
            {"session": None},
        )
    ),
]


@pytest.mark.parametrize("first", FIRST)
def test_a_server_wants_open_or_resume_first(first: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        Hello.parse(first)
    assert caught.value.code == PROTOCOL_ERROR


@pytest.mark.parametrize(
    "first",
    [
        "a message",
        b"a message",
        DLE * 2,
        encode("ack", 0),
        encode("ask", 1),
        encode("open", {"window": [1, 1]}),
        encode("opened", None),
        opened([0, 1]),
        opened(session="short"),
        opened(expires=-1),
        encode("opened", {"session": ID, "expires": 1}),
        encode("opened", {"session": ID, "window": [1, 1]}),
        encode("opened", {"expires": 1, "window": [1, 1]}),
        resumed(0),
        encode("resumed", {"session": ID, "received": 0, "expires": 1, "window": [1, 1]}),
    ],
)
def test_a_client_wants_its_answer_first(first: Any) -> None:
    core = ClientCore(make_outbox(), WIDE)
    assert core.receive([first]) == []
    assert core.failure is not None
    assert core.failure.code == PROTOCOL_ERROR
    assert not core.is_joined
    assert core.received == 0


@pytest.mark.parametrize(
    "first",
    [
        opened(),
        encode("opened", {"session": ID, "received": 0, "expires": 1, "window": [1, 1]}),
        "a message",
        b"a message",
        DLE * 2,
        encode("ack", 0),
        encode("ask", 1),
        encode("resumed", {"expires": 1, "window": [1, 1]}),
        encode("resumed", {"received": 0, "window": [1, 1]}),
        encode("resumed", {"received": 0, "expires": 1}),
        resumed(0, [1]),
        resumed(1),
    ],
)
def test_so_does_one_that_resumes(first: str) -> None:
    core = ClientCore(make_outbox(), WIDE, session=ID)
    assert core.receive([first]) == []
    assert core.failure is not None
    assert core.failure.code == PROTOCOL_ERROR
    assert not core.is_joined


@pytest.mark.parametrize("early", ["a", b"a", DLE * 2, encode("ack", 0), encode("ask", 1)])
def test_nothing_may_come_between_two_connections(early: str | bytes) -> None:
    for core in either():
        core.disconnect()
        assert core.receive([early]) == []
        assert core.failure is not None
        assert core.failure.code == PROTOCOL_ERROR
        assert core.controls() == []


@pytest.mark.parametrize(
    "wrong",
    [
        DLE,
        DLE + "{",
        DLE + " " + DLE,
        DLE + '{"ack":1,"ask":1}',
        encode("else", 1),
        encode("open", {"window": [1, 1]}),
        encode("resume", {"session": ID, "received": 0, "window": [1, 1]}),
        opened(),
        resumed(2),
        encode("ack", -1),
        encode("ack", 1),  # is less than before
        encode("ack", 4),  # was not sent
        encode("ack", 2**53),
        encode("ack", "2"),
        encode("ack", None),
        encode("ack", True),
    ],
)
def test_what_is_not_this_protocol_or_comes_at_the_wrong_time(wrong: str) -> None:
    for core in either():
        send(core, *"abc")
        core.receive([encode("ack", 2)])
        assert core.receive(["a", encode("ask", 1), "b", wrong, "c"]) == ["a", "b"]
        assert core.failure is not None
        assert core.failure.code == PROTOCOL_ERROR
        assert (core.received, core.confirmed) == (2, 2)


def test_after_a_failure_nothing_is_heeded() -> None:
    for core in either():
        send(core, "a")
        core.receive([encode("ack", 2)])
        failure = core.failure
        assert failure is not None
        for more in (["b"], [encode("ack", 1), "c"], [DLE]):
            assert core.receive(more) == []
        assert core.failure is failure
        assert (core.received, core.confirmed) == (0, 0)


# Both ends, over a network that loses connections


class Pipe:
    """One direction of a connection: what is written arrives in order, up to some byte."""

    def __init__(self) -> None:
        self.frames: list[tuple[Any, int]] = []
        """What is on its way, with how many bytes of it have not arrived."""
        self.is_cut = False

    def write(self, messages: Iterable[Any]) -> None:
        if not self.is_cut:
            self.frames += [(message, 2 + size_of(message)) for message in messages]

    def arrive(self, size: int) -> list[Any]:
        """The messages whose last byte is among the next ``size`` ones."""
        arrived = []
        while self.frames and self.frames[0][1] <= size:
            message, left = self.frames.pop(0)
            arrived.append(message)
            size -= left
        if self.frames:
            message, left = self.frames[0]
            self.frames[0] = (message, left - size)
        return arrived

    def cut(self, size: int) -> None:
        """Only the next ``size`` bytes will still arrive."""
        self.is_cut = True
        lefts = itertools.accumulate(left for _, left in self.frames)
        self.frames = self.frames[: sum(left <= size for left in lefts)]


class Connection:
    def __init__(self) -> None:
        self.up, self.down = Pipe(), Pipe()
        # Whether messages have been sent before there was an answer.
        self.is_ahead = False


class End:
    """An application, its end of the session, and what was saved of that."""

    def __init__(self, kind: type[Core], window: Window, bounds: Sequence[int | None]) -> None:
        self.kind = kind
        self.window = window
        self.bounds = bounds
        # What the application has sent and received, in this session.
        self.accepted: list[str | bytes] = []
        self.deliveries: list[Delivery | None] = []
        self.got: list[str | bytes] = []
        self.confirmed = 0  # at most, ever
        self.saved_done = self.saved_sent = self.saved_confirmed = self.saved_connection = 0
        self.session: str | None = None
        self.begin()

    def begin(self) -> None:
        """A process begins, where another one may have been."""
        confirmed, sent = self.saved_confirmed, self.saved_sent
        outbox = make_outbox(*self.bounds)
        messages = [(message, size_of(message)) for message in self.accepted[confirmed:sent]]
        self.deliveries = [*[None] * confirmed, *outbox.restore(confirmed, messages)]
        # Of what was not saved the other end knows nothing.
        del self.accepted[sent:], self.got[self.saved_done :]
        if self.kind is ClientCore:
            self.core: Core = ClientCore(
                outbox,
                self.window,
                done=self.saved_done,
                connection=self.saved_connection,
                session=self.session,
            )
        else:
            self.core = ServerCore(
                outbox, self.window, done=self.saved_done, connection=self.saved_connection
            )
        self.connection: Connection | None = None
        self.again: list[Delivery] = []
        self.looked_at = confirmed

    def write(self, messages: Iterable[Any]) -> None:
        assert self.connection is not None
        pipe = self.connection.up if self.kind is ClientCore else self.connection.down
        pipe.write(messages)

    def disconnect(self) -> None:
        self.connection = None
        self.core.disconnect()
        self.again = []

    def accept(self, message: str | bytes) -> None:
        core, size = self.core, size_of(message)
        if core.is_joined and not self.again and core.outbox.is_clear(size):
            # As a queue does that need not wait.
            self.flush(0)
            delivery = core.outbox.accept_sent(message, size)
            self.saved_sent = core.outbox.sent
            self.write(escape([message]))
        else:
            try:
                delivery = core.outbox.accept(message, size)
            except QueueFull:
                return
        self.accepted.append(message)
        self.deliveries.append(delivery)

    def flush(self, at_most: int | None = None, *, is_last: bool = False) -> None:
        """Sends: first the controls, then what is sent again, then what was not sent before.

        All is saved before anybody can hear of it; the last time nobody does.
        """
        if not self.core.is_joined:
            return
        self.saved_done = self.core.done
        written: list[Any] = self.core.controls()
        again, self.again = self.again[:at_most], self.again[len(self.again[:at_most]) :]
        written += escape([delivery.message for delivery in again])
        if not self.again:
            batch = self.core.outbox.take(at_most)
            self.saved_sent = self.core.outbox.sent
            written += escape([delivery.message for delivery in batch])
        if not is_last:
            self.write(written)

    def ask(self) -> None:
        """A question is about what was sent before it, so first that is."""
        if not self.again:
            self.core.ask()

    def finish(self, count: int) -> None:
        done = min(self.core.done + count, len(self.got))
        finish(self.core, done, self.got[done:])

    def check_again(self, again: list[Delivery], received: int) -> None:
        """Exactly the rest is sent again."""
        assert again == self.deliveries[received : self.core.outbox.sent]
        self.again = list(again)


windows = st.builds(
    Window, st.sampled_from([1, 2, 3, 4, 9, 100]), st.sampled_from([1, 4, 15, 40, 100, 10**6])
)
bounds = st.tuples(
    st.sampled_from([None, None, 3]),
    st.sampled_from([None, None, 1, 2, 5]),
    st.sampled_from([None, None, 1, 10, 50]),
)
is_client = st.booleans()
# Most have a number put after them.
kinds = st.sampled_from(
    [
        *("", "", "é\u20ac\U0001f600", "a" * 30, DLE, DLE * 2 + "x", encode("ack", 1), opened()),
        *(b"", b"", DLE.encode(), b"a" * 50),
    ]
)
contents = st.lists(st.tuples(kinds, st.sampled_from([True, True, False])), min_size=1, max_size=4)
counts = st.sampled_from([0, 1, 1, 2, 3, 10, 1000])
byte_counts = st.integers(0, 60) | st.sampled_from([0, 100, 10**9, 10**9])


class Network(RuleBasedStateMachine):
    """Whatever becomes of connections and processes, each message arrives once, and in order.

    What the applications have accepted and got is counted here, apart from the cores.
    """

    @initialize(windows=st.tuples(windows, windows), bounds=st.tuples(bounds, bounds))
    def begin(self, windows: tuple[Window, Window], bounds: Any) -> None:
        logging.getLogger("readystate").disabled = True
        self.windows, self.bounds = windows, bounds
        self.client = End(ClientCore, windows[0], bounds[0])
        self.server: End | None = None
        self.hellos: list[Connection] = []
        """Those that the server has not heard anything over."""
        self.names = itertools.count()

    @property
    def ends(self) -> list[End]:
        return [self.client] if self.server is None else [self.client, self.server]

    def end(self, is_client: bool) -> End:
        return self.client if is_client or self.server is None else self.server

    def other(self, end: End) -> End | None:
        return self.server if end is self.client else self.client

    # What the applications do

    @rule(is_client=is_client, contents=contents)
    def accept(self, is_client: bool, contents: list[tuple[str | bytes, bool]]) -> None:
        for kind, is_named in contents:
            name = str(next(self.names)) if is_named else ""
            self.end(is_client).accept(
                kind + name if isinstance(kind, str) else kind + name.encode()
            )

    @rule(is_client=is_client, count=counts)
    def finish(self, is_client: bool, count: int) -> None:
        self.end(is_client).finish(count)

    # What the ends do, or their timers

    @rule(is_client=is_client, at_most=st.sampled_from([None, None, 0, 1, 3]))
    def flush(self, is_client: bool, at_most: int | None) -> None:
        self.end(is_client).flush(at_most)

    @rule(is_client=is_client)
    def ask(self, is_client: bool) -> None:
        self.end(is_client).ask()

    @rule(is_client=is_client)
    def acknowledge(self, is_client: bool) -> None:
        self.end(is_client).core.acknowledge()

    @rule(is_client=is_client)
    def save(self, is_client: bool) -> None:
        """What is confirmed may be saved late."""
        end = self.end(is_client)
        end.saved_confirmed = end.core.confirmed

    @precondition(lambda self: self.client.connection is None)
    @rule(ahead=st.integers(0, 3))
    def connect(self, ahead: int = 0) -> None:
        """Perhaps with some messages right behind the first control."""
        client = self.client
        connection = client.connection = Connection()
        self.hellos.append(connection)
        core = client.core
        assert isinstance(core, ClientCore)
        need_not_wait = core.need_not_wait
        client.write([core.hello()])
        client.saved_connection = core.connection
        batch = core.outbox.take(ahead) if need_not_wait else []
        client.saved_sent = core.outbox.sent
        client.write(escape([delivery.message for delivery in batch]))
        connection.is_ahead = bool(batch)

    @rule(is_client=is_client)
    def notice_a_loss(self, is_client: bool) -> None:
        """That there was one, or that nothing was heard for too long."""
        self.end(is_client).disconnect()

    @precondition(lambda self: any(end.got for end in self.ends))
    @rule(is_client=is_client, is_in_the_midst=st.booleans())
    def crash(self, is_client: bool, is_in_the_midst: bool) -> None:
        """A process ends, perhaps after it has saved something and before it has sent it."""
        end = self.end(is_client)
        if is_in_the_midst:
            end.flush(is_last=True)
        if end.connection is not None and end is not self.client:
            end.connection.down.cut(10**9)
        end.begin()

    # What the network does

    @rule(is_client=is_client, size=byte_counts)
    def arrive(self, is_client: bool, size: int) -> None:
        end = self.end(is_client)
        if end.connection is None:
            return
        core, had_joined = end.core, end.core.is_joined
        pipe = end.connection.down if end is self.client else end.connection.up
        arrived = pipe.arrive(size)
        messages = core.receive(arrived)
        if isinstance(core, ClientCore) and core.is_joined and not had_joined:
            end.session = core.session
            answer = json.loads(arrived[0][1:])
            if end.connection.is_ahead:
                assert core.again == []
            else:
                received = answer["resumed"]["received"] if "resumed" in answer else 0
                end.check_again(core.again, received)
        self.get(end, messages)

    def get(self, end: End, messages: list[Any]) -> None:
        other = self.other(end)
        for message in messages:
            assert other is not None
            expected = other.accepted[len(end.got)]
            assert (message, type(message)) == (expected, type(expected))
            end.got.append(message)

    @precondition(lambda self: self.hellos)
    @rule(place=st.integers(0, 3))
    def hello_arrives(self, place: int) -> None:
        """Perhaps long after the client has given the connection up, and has another one."""
        connection = self.hellos.pop(place % len(self.hellos))
        is_late = connection is not self.client.connection
        arrived = connection.up.arrive(10**9)
        if not arrived:
            return
        first, *behind = arrived
        hello = Hello.parse(first)
        if hello.session is None:
            self.open(connection, hello, is_late)
        else:
            self.resume(connection, hello, is_late)
        if self.server is not None and self.server.connection is connection:
            self.get(self.server, self.server.core.receive(behind))

    def open(self, connection: Connection, hello: Hello, is_late: bool) -> None:
        if is_late:
            return  # Nobody will know of that session.
        server = self.server = End(ServerCore, self.windows[1], self.bounds[1])
        server.connection = connection
        server.session = f"the-session-number-{next(self.names)}"
        assert isinstance(server.core, ServerCore)
        server.core.open(hello, server.session, 60)
        server.saved_connection = hello.connection

    def resume(self, connection: Connection, hello: Hello, is_late: bool) -> None:
        server = self.server
        assert server is not None
        assert hello.session == server.session
        assert isinstance(server.core, ServerCore)
        was_joined = server.core.is_joined
        try:
            again = server.core.resume(hello, 60)
        except ProtocolError:
            assert is_late
            assert server.core.is_joined == was_joined
            return
        server.connection = connection
        server.saved_connection = hello.connection
        server.check_again(again, hello.received)

    # Several of these at once, so that there is more to be lost

    @rule(is_client=is_client, at_most=st.sampled_from([None, None, 0, 1, 3]), size=byte_counts)
    def exchange(self, is_client: bool, at_most: int | None, size: int) -> None:
        self.flush(is_client, at_most)
        self.arrive(not is_client, size)

    @rule(contents=contents, is_client=is_client, size=byte_counts)
    def accept_and_exchange(
        self, contents: list[tuple[str | bytes, bool]], is_client: bool, size: int
    ) -> None:
        self.accept(is_client, contents)
        self.exchange(is_client, None, size)

    @rule()
    def reconnect(self) -> None:
        self.client.disconnect()
        self.connect()
        self.hello_arrives(len(self.hellos) - 1)
        self.exchange(False, None, 10**9)

    @rule()
    def give_up_and_connect_again(self) -> None:
        self.client.disconnect()
        self.connect()

    @rule(place=st.integers(0, 5), is_up=st.booleans(), size=byte_counts)
    def cut(self, place: int, is_up: bool, size: int) -> None:
        connections = [*self.hellos, *(end.connection for end in self.ends if end.connection)]
        if connections:
            connection = connections[place % len(connections)]
            (connection.up if is_up else connection.down).cut(size)

    # What is always true

    @invariant()
    def there_is_no_failure(self) -> None:
        for end in self.ends:
            assert end.core.failure is None

    @invariant()
    def the_counts_are_exact(self) -> None:
        for end in self.ends:
            core = end.core
            assert core.received == len(end.got)
            assert core.confirmed + core.outbox.unconfirmed == core.outbox.sent
            assert core.outbox.sent + core.outbox.pending == len(end.accepted)

    @invariant()
    def what_is_confirmed_is_done_and_will_not_come_again(self) -> None:
        for end in self.ends:
            other = self.other(end)
            done = other.saved_done if other is not None else 0
            assert end.core.confirmed <= done

    @invariant()
    def what_is_unconfirmed_is_kept(self) -> None:
        for end in self.ends:
            confirmed, sent = end.core.confirmed, end.core.outbox.sent
            for number in range(end.looked_at, len(end.deliveries)):
                delivery = end.deliveries[number]
                assert delivery is not None
                state = CONFIRMED if number < confirmed else SENT if number < sent else QUEUED
                assert delivery.state is state
                assert delivery.message == end.accepted[number]
            end.looked_at = confirmed
            assert end.core.outbox.unfinished() == end.accepted[confirmed:]

    @invariant()
    def the_windows_are_kept(self) -> None:
        for end in self.ends:
            self.check_window(end.got[end.core.done :], end.window)
            end.confirmed = max(end.confirmed, end.core.confirmed)
            other = self.other(end)
            if other is not None and end.session is not None:
                # Of what a process before has heard, this one may not know.
                sent = end.accepted[end.confirmed : end.core.outbox.sent]
                self.check_window(sent, other.window)
                _, most, most_bytes = end.bounds
                self.check_window(sent, Window(most or 10**9, most_bytes or 10**9))

    def check_window(self, messages: Sequence[str | bytes], window: Window) -> None:
        assert len(messages) <= window.messages
        assert len(messages) <= 1 or sum(map(size_of, messages)) <= window.size

    @precondition(lambda self: any(end.core.outbox.unconfirmed > 3 for end in self.ends))
    @rule(at_a_time=st.sampled_from([1, 10**9]))
    def it_is_quiet(self, at_a_time: int) -> None:
        """Then all arrives, is done, and is confirmed, as long as somebody asks."""
        if self.server is None or self.is_broken(self.server.connection):
            for end in self.ends:
                end.disconnect()
            self.hellos.clear()
            self.connect()
            self.hello_arrives(0)
            assert self.server is not None
        most = 10 + 4 * sum(len(end.accepted) for end in self.ends)
        for _ in range(most):
            is_over = all(end.core.confirmed == len(end.accepted) for end in self.ends)
            for is_client in (True, False):
                self.flush(is_client, None)
                if self.end(is_client).core.has_unasked:
                    self.ask(is_client)
                    self.flush(is_client, None)
                self.arrive(not is_client, 10**9)
                self.finish(not is_client, at_a_time)
                self.flush(not is_client, 0)
                self.arrive(is_client, 10**9)
            self.there_is_no_failure()
            if is_over:
                break
        for end, other in (self.ends, self.ends[::-1]):
            assert other.got == end.accepted
            assert end.core.confirmed == other.core.done == len(end.accepted)
            assert (end.core.outbox.pending, end.core.outbox.unconfirmed) == (0, 0)
            assert end.core.controls() == []

    def is_broken(self, connection: Connection | None) -> bool:
        return (
            connection is None
            or connection is not self.client.connection
            or connection.up.is_cut
            or connection.down.is_cut
        )

    def teardown(self) -> None:
        try:
            if hasattr(self, "names"):
                self.it_is_quiet(1)
        finally:
            logging.getLogger("readystate").disabled = False


Network.TestCase.settings = settings(
    stateful_step_count=80,
    phases=set(Phase) - {Phase.explain},  # It would take minutes.
    report_multiple_bugs=False,
)
TestNetwork = Network.TestCase


# An end, and another one that does whatever it likes

small = st.integers(-1, 8)
wild = (
    st.sampled_from(["a", "", b"b", b"", "é" * 5, b"a" * 9, DLE, DLE * 2, DLE * 2 + "{", DLE + "{"])
    | st.builds(encode, st.sampled_from(["ack", "ask", "open", "opened", "else"]), small)
    | small.map(resumed)
    | st.just(opened())
    | st.text(max_size=5).map(lambda text: DLE + text)
)
well_formed = st.sampled_from(["a", b"b", b"a" * 5, DLE * 2, encode("ask", 1)]) | small.map(
    lambda number: encode("ack", max(0, number))
)
steps = st.lists(
    st.tuples(st.just("arrive"), st.lists(well_formed, max_size=6))
    | st.tuples(st.just("arrive"), st.lists(well_formed | wild, max_size=6))
    | st.tuples(st.sampled_from(["done", "send", "resume"]), st.integers(0, 4)),
    max_size=25,
)


@given(
    is_client=is_client,
    window=st.builds(Window, st.integers(1, 5), st.integers(1, 12)),
    other=st.builds(Window, st.integers(1, 5), st.integers(1, 12)),
    steps=steps,
)
def test_whatever_arrives_an_end_keeps_its_counts_and_its_bounds(
    is_client: bool, window: Window, other: Window, steps: list[tuple[str, Any]]
) -> None:
    core: Core = client(window, other=other) if is_client else server(window, other=other)
    got: list[str | bytes] = []
    sent = 0
    for what, value in steps:
        confirmed, received = core.confirmed, core.received
        failure, is_joined = core.failure, core.is_joined
        if what == "arrive":
            got += core.receive(value)
        elif what == "done":
            done = min(core.done + value, len(got))
            finish(core, done, got[done:])
        elif what == "send" and is_joined:
            sent += len(send(core, *"abcd"[:value]))
        elif what == "resume":
            core.disconnect()
            if isinstance(core, ServerCore):
                try:
                    again = core.resume(Hello(ID, value, other, core.connection + 1), 60)
                except ProtocolError:
                    assert not confirmed <= value <= sent
                    assert not core.is_joined
                else:
                    assert len(again) == sent - value
            else:
                got += core.receive([resumed(value, other)])

        # Nothing was received but what the application got.
        assert core.received == len(got) >= received
        assert core.done <= len(got)
        assert core.outbox.sent == sent
        assert confirmed <= core.confirmed <= sent
        assert core.outbox.unconfirmed == sent - core.confirmed
        held = got[core.done :]
        assert len(held) <= window.messages
        assert len(held) <= 1 or sum(map(len, held)) <= window.size
        if failure is not None:
            assert core.failure is failure
            assert (core.received, core.confirmed) == (received, confirmed)
        if core.failure is not None:
            assert core.failure.code in (PROTOCOL_ERROR, TOO_MUCH)
        # An acknowledgement for each question, not for each message; and nothing that grows.
        assert len(core.controls()) <= 2 * len(value if what == "arrive" else [1])
