"""What takes long: ``python -m pytest tests/long``, at night and before a release."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = 900
"""Seconds that one of these tests may take: they are here because they are large."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives the tests of this folder their time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LONG))
