"""A short run: nothing is lost, and nothing is left."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ..processes import run
from .check import problems


@pytest.mark.timeout(180)  # What is abandoned may linger for a minute and a half.
def test_a_short_run() -> None:
    # A process of its own: Playwright cannot be started twice in one. Without connections that are
    # silent, which Chromium holds on to for a minute.
    command = [sys.executable, "-m", "tests.soak", "--minutes", "0.1", "--sockets", "10"]
    done = run([*command, "--faults", "drop,close,refuse,none"], timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All is well" in done.stdout


@pytest.mark.parametrize(
    ("arrived", "changes", "problem"),
    [
        ([0, 1, 2], {}, None),
        ([0, 1, 1, 2], {}, None),
        ([0, 1, 1, 1, 2], {}, "2 arrived again, but only 1 were sent again"),
        ([0, 2], {}, "1 messages are lost, the first ones [1]"),
        ([0, 2, 1], {}, "not in order: [0, 2, 1] at first arrival 1"),
        ([0, 1, 2], {"confirmed": 2}, "3 messages were sent, and it says that 2 were confirmed"),
        ([0, 1, 2], {"dropped": {"closed": 1}}, "dropped: {'closed': 1}"),
        ([0, 1, 2], {"in doubt": 0}, "1 were sent again, but only 0 were in doubt"),
    ],
)
def test_what_is_off_is_found(
    arrived: list[int], changes: dict[str, Any], problem: str | None
) -> None:
    nothing = ("left", "deliveries left", "deliveries dropped", "received and dropped")
    told: dict[str, Any] = dict.fromkeys(nothing, 0)
    told |= {"messages": 3, "accepted": 3, "confirmed": 3, "sent": 4, "resent": 1, "in doubt": 1}
    told |= {"dropped": {}, **changes}
    assert list(problems(told, arrived)) == ([] if problem is None else [problem])
