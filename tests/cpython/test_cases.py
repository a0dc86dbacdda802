"""The port to CPython behaves as the standard says: the cases that every engine has to pass.

Those of connections and queues are left to the other files here, which look more closely.
"""

from __future__ import annotations

import pytest

from readystate_server.lab import Server
from tests.engines.cases import MODULES, blocking, connections, queues
from tests.engines.cases.case import Case, Report

CASES = {
    case.name: case
    for module in MODULES
    if module not in (blocking, connections, queues)
    for case in module.CASES
    if "cpython" not in case.left_out
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_case(server: Server, case: Case) -> None:
    await case.function(Report("cpython", failing=server.ws_url("")))
