"""The documentation's "Testing your app": its project, tested as its reader does that."""

from __future__ import annotations

from pathlib import Path

import pytest

from readystate_server.lab import vendor
from readystate_server.lab.places import WEB

from ..processes import ROOT

PROJECT = Path(__file__).parent / "project"


@pytest.mark.parametrize("name", ["app/index.html", "conftest.py", "test_app.py"])
def test_the_documentation_has_each_of_its_files(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    kind = "html" if name.endswith(".html") else "python"
    assert f"```{kind}\n{text}```\n" in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_its_page_loads_the_pinned_runtimes() -> None:
    """Where they are pinned anew, the example has to be."""
    versions = vendor.pinned(WEB)
    text = (PROJECT / "app" / "index.html").read_text(encoding="utf-8")
    assert f"/@pyscript/core@{versions['pyscript']}/dist/core.js" in text
    assert f"/pyodide/v{versions['pyodide']}/full/pyodide.mjs" in text
