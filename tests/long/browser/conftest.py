"""What the tests of browsers have."""

from tests.browser.conftest import (
    EXPECTED,
    PageAs,
    failing,
    page_as,
    pyodide_place,
    pyodide_session,
    runtime,
)

__all__ = [
    "EXPECTED",
    "PageAs",
    "failing",
    "page_as",
    "pyodide_place",
    "pyodide_session",
    "runtime",
]
