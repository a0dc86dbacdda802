"""All cases in what the default suite leaves out: versions of Python, and places in a page."""

from __future__ import annotations

import pytest

from readystate_server.lab import wheel
from tests import versions
from tests.engines import report
from tests.engines.runner import OLDEST, OTHERS, TIMEOUT, run


@pytest.fixture(scope="module", autouse=True)
def fetched() -> None:
    versions.fetch(long=True)
    wheel.build()


@pytest.mark.timeout(TIMEOUT + 60)
@pytest.mark.parametrize("engine", [name for name in OTHERS if name != OLDEST])
def test_all_cases(engine: str) -> None:
    done = run(engine)
    assert done.holds, report.summary(done)
