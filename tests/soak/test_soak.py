"""A short run: nothing is lost, and nothing is left."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ..faults import problems
from ..processes import run


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
        ([0, 1, 1, 1, 2], {}, "2 duplicates, but only 1 were sent again"),
        ([0, 0, 1, 2], {}, "arrived more often than it was in doubt: 0"),
        ([0, 2], {}, "confirmed, and not arrived: 1"),
        ([0, 2, 1], {}, "not in order: [0, 2, 1] at first arrival 1"),
        ([0, 1, 2], {"sent": 3}, "sent 3 times, 1 of them again, of 3"),
        (
            [0, 1, 2],
            {"confirmed": 2, "dropped": {"closed": 1}},
            "stats say {'accepted': 3, 'confirmed': 2, 'left': 0} and 1 dropped; "
            "it is {'accepted': 3, 'confirmed': 3, 'left': 0}",
        ),
    ],
)
def test_what_is_off_is_found(
    arrived: list[int], changes: dict[str, Any], problem: str | None
) -> None:
    told: dict[str, Any] = {"accepted": 3, "confirmed": 3, "left": 0, "sent": 4, "resent": 1}
    told |= {"dropped": {}, "outcomes": [("CONFIRMED reply", 3)], "ranges": [(1, 2, 0.0)]}
    found = problems(told | changes, arrived, "heartbeat")
    assert found[:1] == ([] if problem is None else [problem])
