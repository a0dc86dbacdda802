"""The cases of all engines hold on CPython too; the other files here look more closely."""

from __future__ import annotations

import pytest

from readystate_server.lab import Server
from tests.engines.cases import ALL
from tests.engines.cases.case import Case, Report

CASES = {name: case for name, case in ALL.items() if "cpython" not in case.left_out}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_case(server: Server, case: Case) -> None:
    await case.function(Report("cpython", failing=server.ws_url("")))
