"""The tutorial's finished page: its paths, its config and its Python are right together."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest

from readystate_server.testing import AppServer, OpenPage

from ..docs.test_tutorial import COMMAND
from ..docs.tutorial import lay_out


@pytest.mark.only_browser("chromium")  # Firefox waits for a minute before it connects again
def test_its_readers_test_of_the_page_passes(tmp_path: Path, open_page: OpenPage) -> None:
    lay_out(tmp_path, "tests")
    spec = util.spec_from_file_location("of_the_reader", tmp_path / "test_page.py")
    assert spec is not None
    assert spec.loader is not None
    test = util.module_from_spec(spec)
    spec.loader.exec_module(test)
    with AppServer(COMMAND, cwd=tmp_path) as server:
        test.test_an_order_survives_a_restart(open_page, server)
