"""What a session puts between messages: written, read, and refused."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from readystate.session import control
from readystate.session.control import DLE, MAX_NUMBER, ProtocolError, Window
from readystate.session.core import ServerCore

from .test_session_core import ID, ONE, READERS, Joined, read

HUGE = 10**400  # More than a float can be.


# Messages

texts = st.text() | st.builds(str.__add__, st.sampled_from([DLE, DLE * 2, DLE + "{"]), st.text())
messages = st.lists(texts | st.binary() | st.binary().map(lambda data: DLE.encode() + data))


@given(messages=messages)
@example(messages=[DLE, DLE * 2, DLE * 3, DLE.encode(), "", b""])
@example(messages=[control.encode("ack", 1), control.encode("ask", 1), "\x11", " " + DLE])
def test_every_message_arrives_as_it_was_and_only_what_looks_like_a_control_is_marked(
    messages: list[str | bytes],
) -> None:
    core = Joined(ServerCore).core
    sent = control.escape(messages)
    for message, frame in zip(messages, sent, strict=True):
        if isinstance(message, str) and message.startswith(DLE):
            assert frame == DLE + message
        else:
            assert frame is message
    arrived = core.receive(sent)
    assert core.failure is None
    assert (arrived, core.received) == (messages, len(messages))
    assert list(map(type, arrived)) == list(map(type, messages))


def test_only_a_text_can_be_a_control() -> None:
    assert all(map(control.is_control, (DLE, DLE + '{"ack":1}')))
    others = ("", "a" + DLE, DLE.encode() + b'{"ack":1}', object())
    assert not any(map(control.is_control, others))


# Controls


def test_the_controls_are_written_as_the_specification_shows_them() -> None:
    assert control.encode("ack", 7) == '\x10{"ack":7}'
    assert control.encode("ask", 1) == '\x10{"ask":1}'
    written = control.encode("resume", {"session": ID, "received": 3, "window": Window(5, 6)})
    assert written == f'\x10{{"resume":{{"session":"{ID}","received":3,"window":[5,6]}}}}'


@given(
    kind=st.sampled_from(["open", "opened", "resume", "resumed", "ack", "ask"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
)
def test_a_control_is_read_as_it_was_written(kind: str, value: Any) -> None:
    assert control.decode(control.encode(kind, value)) == (kind, value)


def test_white_space_is_json_too() -> None:
    assert control.decode('\x10 { "ack" :\n7 } ') == ("ack", 7)


def of_length(length: int) -> str:
    """A control whose JSON has ``length`` characters."""
    return DLE + '{"ask":"' + "é" * (length - 10) + '"}'


def test_the_json_of_a_control_has_at_most_4096_characters_and_a_message_any_number() -> None:
    longest = of_length(4096)
    assert len(longest) == 1 + 4096
    assert control.decode(longest) == ("ask", "é" * 4086)
    long = of_length(10**5)
    assert Joined(ServerCore).receive(DLE + long) == [long]


# Numbers and the like

alphabet = string.ascii_letters + string.digits + "_-"
no_numbers: list[Any] = [
    *(-1, -HUGE, HUGE, True, False, None, "1", "", [], [1], {}, math.nan, math.inf),
]
no_windows: list[Any] = [
    *([0, 1], [1, 0], [0, 0], [-1, 1], [1, -1], [2**53, 1], [1, 2**53], [None, 1]),
    *([], [1], [1, 1, 1], [[1, 1]], [True, True], [1.5, 1], ["1", "1"]),
    *("11", {"0": 1, "1": 1}, None, 1),
]
no_controls = [
    *("", " ", "{", "{}", "[]", "null", "1", '"ack"', '["ack"]'),
    *('{"ack":1', '{"ack":1}}', '{"ack":1}{"ack":1}', "{'ack':1}", '\ufeff{"ack":1}'),
    *('{"ack":1,"ask":1}', '{"ack":1,"other":1}', '{"Ack":1}', '{"":1}', '{"close":1}'),
    *('{"ack":01}', '{"ack":+1}', '{"ack":0x1}'),
    *('{"open":{"window":[1,1],"other":NaN}}', '{"open":{"window":[1,1],"other":-Infinity}}'),
    *("[" * 4000, '{"ack":' + "[" * 4000, '{"ack":' * 500, "[" * 10**6, of_length(4097)[1:]),
]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        *((control.decode, DLE + text) for text in no_controls),
        *((control.members, value) for value in (None, [], [["a", 1]], "a", 1, True)),
        *((control.number, value) for value in (*no_numbers, 2**53, 1.5)),
        *((control.seconds, value) for value in (*no_numbers, -0.5, -math.inf)),
        *((control.window, value) for value in no_windows),
        *((control.session_id, value) for value in ("", "a" * 15, "a" * 257, b"a" * 16)),
        *((control.session_id, value) for value in (None, 16, ["a"] * 16)),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)[:30]),
)
def test_what_is_none_is_refused(read: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(value)
    assert caught.value.code == 4400


@pytest.mark.parametrize(
    ("read", "value"),
    [
        *((control.members, value) for value in ({}, {"a": 1})),
        *((control.number, value) for value in (0, 1, 2**31, 2**53 - 1)),
        *((control.seconds, value) for value in (0, 0.0, 0.25, 120, 1e9, 10**18)),
        *((control.window, [*value]) for value in ((1, 1), (1, 2**20), (1024, 1), (2**31, 2**31))),
        *((control.session_id, value) for value in ("-" * 16, "_-" * 128, alphabet)),
    ],
)
def test_what_is_one_is_read(read: Callable[[Any], object], value: Any) -> None:
    expected = Window(*value) if read is control.window else value
    assert read(value) == expected
    assert type(read(value)) is (float if read is control.seconds else type(expected))


def test_a_window_that_nobody_could_fill_is_cut_and_still_one() -> None:
    for window in (control.window([MAX_NUMBER, 1]), control.window([1, MAX_NUMBER])):
        assert min(window) == 1
        assert 2**31 <= max(window) < MAX_NUMBER


@given(
    start=st.text(alphabet, max_size=30),
    wrong=st.characters(exclude_characters=alphabet),
    end=st.text(alphabet, max_size=30),
)
@example(start="a" * 16, wrong="\u0663", end="")  # a digit, but an Arabic one
@example(start="a" * 16, wrong="\uff11", end="")  # a digit, but a wide one
@example(start="a" * 16, wrong="ª", end="")
@example(start="a" * 16, wrong="\n", end="")
@example(start="a" * 16, wrong="\0", end="")
@example(start="a" * 16, wrong=" ", end="a")
def test_no_id_has_another_character(start: str, wrong: str, end: str) -> None:
    with pytest.raises(ProtocolError):
        control.session_id(start + wrong + end)


# Whatever arrives

odd: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(0, 1, 2, -1, 2**31, 2**53 - 1, 2**53, HUGE, -HUGE, True, False, None),
        *(0.5, 1.0, 1e308, math.nan, math.inf, -math.inf),
        *("", "1", ID, "a" * 15, "a" * 257, "\u0663" * 16, "\ud800" * 16, DLE),
        *([], {}, [0, 1], [1, 1], [2, 5], [1, 1, 1], [2**53, 1], [HUGE, 1], [True, True]),
    ]
)
names = st.sampled_from(["session", "received", "window", "expires", "other", "\udc00"])
values = st.recursive(
    odd | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=6,
)
right = {"session": ID, "received": 0, "expires": 60, "window": [2, 5]}
nearly = st.fixed_dictionaries({name: st.just(value) | odd for name, value in right.items()})
kinds = st.sampled_from(["open", "opened", "resume", "resumed", "ack", "ask", "", "else"])
objects = st.dictionaries(kinds, odd | nearly | values, min_size=1, max_size=2)
jsons = st.builds(json.dumps, objects | values, ensure_ascii=st.booleans())
nested = st.builds(
    lambda start, text, depth: start + text * depth,
    st.sampled_from(["", '{"ack":', '{"open":{"window":']),
    st.sampled_from(["[", '{"a":', '{"ask":', "[1,"]),
    st.integers(1, 4096),
)


@pytest.mark.parametrize("who", READERS)
@given(text=st.text() | jsons | nested)
@example(text=json.dumps({"opened": {"session": ID, "expires": HUGE, "window": [1, 1]}}))
@example(text=json.dumps({"resumed": {"received": 0, "expires": HUGE, "window": [1, 1]}}))
@example(text=json.dumps({"ack": HUGE}))
@example(text='{"ack":"\ud800"}')
def test_whatever_follows_is_read_or_is_a_protocol_error(who: str, text: str) -> None:
    error = read(DLE + text, who)
    assert error is None or error.code == 4400


SECRET = "s3cr3t_s3cr3t_s3cr3t"
NUMBER = 31415926535


@pytest.mark.parametrize("who", READERS)
@pytest.mark.parametrize(
    "value",
    [
        *(SECRET, "{" + SECRET, {SECRET: 1}, {"ack": SECRET}, {"ack": NUMBER}, {"ack": -NUMBER}),
        *({"open": SECRET}, {"open": {"window": SECRET}}, {"open": {"window": [NUMBER, SECRET]}}),
        {"resume": {"session": SECRET, "connection": 2, "received": -NUMBER, **ONE}},
        {"resume": {"session": SECRET, "connection": -NUMBER, "received": 2, **ONE}},
        {"resume": {"session": SECRET + "!", "connection": 2, "received": 1, **ONE}},
        {"opened": {"session": SECRET + "!", "expires": 1, **ONE}},
        {"opened": {"session": SECRET, "expires": SECRET, **ONE}},
        {"resumed": {"received": NUMBER, "expires": 1, **ONE}},
        {"resumed": {"received": SECRET, "expires": 1, **ONE}},
    ],
)
def test_a_reason_tells_nothing_of_what_was_sent(who: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    error = read(DLE + text, who)
    if error is None:
        # Only these two are as they must be, to those who may hear them.
        assert (who, *value) == ("a server, first", "resume")
        return
    assert 0 < len(error.reason.encode()) <= 123  # That is what a close frame has room for.
    for told in (error.reason, str(error), repr(error)):
        assert "s3cr3t" not in told
        assert str(NUMBER) not in told
    # Not as what it comes from either: a traceback would show that.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def test_a_protocol_error_has_a_code_and_a_reason() -> None:
    assert ProtocolError("a reason").code == 4400
    error = ProtocolError("another", 4413)
    assert (error.code, error.reason) == (4413, "another")


# The codes


def test_which_codes_end_a_session() -> None:
    ending, others = (1000, 3000, 4000, 4404, 4999), (999, 1001, 1005, 1006, 1011, 1012, 1013)
    assert all(map(control.ends_session, ending))
    assert not any(map(control.ends_session, (*others, 2999, 5000)))


def test_the_codes_are_those_of_the_specification() -> None:
    names = ("PROTOCOL_ERROR", "NO_SUCH_SESSION", "TAKEN_OVER", "FAILED", "TOO_MUCH", "TRY_AGAIN")
    assert [getattr(control, name) for name in names] == [4400, 4404, 4409, 4411, 4413, 1013]
    assert control.SUBPROTOCOL == "readystate.v1"
