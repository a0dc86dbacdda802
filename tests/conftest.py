"""The server and the browsers of all tests, and which tests run side by side."""

from __future__ import annotations

import gc
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_timeout
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from readystate_server.lab import Server
from readystate_server.lab.places import WEB

from . import coroutines, processes
from .browsers import NAMES, launch_options

pytest_plugins = ["readystate_server.testing"]
collect_ignore = ["guide/project"]

TESTS = Path(__file__).parent
LONG = TESTS / "long"

# How much is tried: enough for a run at every save, or with --hypothesis-profile=long all night.
settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile("default")

GROUPS = ("engines", "python", "server", *NAMES)
"""In which order tests run: asyncio.run() does not work any more in a process in which Playwright
has been started, and a browser is started once in each process. Engines keep all cores busy while
one process waits for them.
"""
TOGETHER = ("tests/engines/", "tests/compat/", "tests/long/compat/", "tests/browser/")
"""What is not taken apart by files: its engines, or its pages with Python, start slowly, and serve
all of the folder.
"""
OWN_PAGES = tuple(
    f"tests/browser/test_{name}.py"
    for name in (
        *("pages", "kept_sessions", "jupyterlite", "pyscript", "readme", "stand_ins", "worker"),
        "account_example",
    )
)
"""The files there that use other pages, which is why they are taken apart."""
FIRST = (
    *("tests/engines/", "tests/compat/", "tests/long/compat/"),
    # These wait for timers, while the engines keep the cores busy.
    *(f"tests/pages/test_{name}.py" for name in ("break_it", "why_not_sleep", "race")),
    *("tests/pages/test_side_by_side.py", "tests/cpython/test_faults.py"),
    "tests/docs/test_tutorial.py",
    *("tests/server/test_vendor.py", "tests/benchmarks/test_benchmarks.py"),
    *("tests/soak/test_soak.py", "tests/mutations/test_mutations.py"),
    *(OWN_PAGES[0], "tests/browser/", *OWN_PAGES[1:]),
)
"""What takes longest in its group begins first: at the end nobody waits for it."""
IN_BROWSER = 150
"""Seconds that a test in a browser may take, with its fixtures."""
FOLDERS = {
    "unit": "python",
    "cpython": "python",
    "docs": "python",
    "pages": "python",
    "engines": "engines",
}


def pytest_configure(config: pytest.Config) -> None:
    """Drives all browsers, unless ``--browser`` asks for one."""
    if not config.option.browser:
        config.option.browser = list(NAMES)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out what takes long, unless it is asked for."""
    here = config.invocation_params.dir
    asked = [(here / name.partition("::")[0]).resolve() for name in config.args]
    is_asked = any(path.is_relative_to(LONG) for path in asked)
    return True if collection_path == LONG and not is_asked else None


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core and one more; none for a file, a test, or what ``-k`` chooses.

    One of them waits, most of the time. More would have tests wait for a core, and run out of time.
    """
    is_part = config.option.keyword or any(
        "::" in name or name.endswith(".py") for name in map(str, config.args)
    )
    return 0 if is_part else min(len(GROUPS), (os.cpu_count() or 1) + 1)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the tests of a file in a group to a process, and goes on when processes are lost."""

    def _split_scope(self, nodeid: str) -> str:
        return f"{unit(nodeid)} {group(nodeid)}"

    def remove_node(self, node: WorkerController) -> str | None:
        """Returns the test in which the process was lost, which is not run again."""
        units = self.assigned_work.pop(node)
        left = [(unit, name) for unit in units.values() for name, done in unit.items() if not done]
        if not left:
            return None
        unit, lost = left[0]
        unit[lost] = True
        self.workqueue.update(
            {scope: unit for scope, unit in units.items() if not all(unit.values())}
        )
        for other in self.assigned_work:
            self._reschedule(other)
        return str(lost)

    def _reschedule(self, node: WorkerController) -> None:
        # One that takes over may not have collected its tests yet. One with two tests can go on:
        # what it gets too soon waits for it, while others have nothing to do.
        pending = self._pending_of(self.assigned_work[node])
        if node in self.registered_collections and (pending < 2 or not self.workqueue):
            super()._reschedule(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Returns ours, unless another way was chosen."""
    return Scheduling(config, log) if config.option.dist == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Has the groups in order, and gives tests in a browser the time to start it, and Python."""
    yield
    items.sort(key=lambda item: (GROUPS.index(group(item.nodeid)), rank(item.nodeid)))
    for item in items:
        if group(item.nodeid) in NAMES and item.get_closest_marker("timeout") is None:
            # Whichever comes first in its process has fixtures that take a minute when it is busy.
            item.add_marker(pytest.mark.timeout(IN_BROWSER))


def unit(nodeid: str) -> str:
    """The file or the folder whose tests in a group one process runs."""
    file = nodeid.partition("::")[0]
    folder = next((folder for folder in TOGETHER if file.startswith(folder)), file)
    return file if file in OWN_PAGES else folder


def rank(nodeid: str) -> int:
    """How soon a test runs in its group."""
    name = unit(nodeid)
    return FIRST.index(name) if name in FIRST else len(FIRST)


def group(nodeid: str) -> str:
    """Where a test runs."""
    path, _, name = nodeid.partition("::")
    folder = path.removeprefix("tests/").partition("/")[0]
    if path.endswith("/test_engines.py"):
        return "engines"  # the browsers among them are started in another way
    parameters = re.split(r"[\[\]-]", name)
    browser = next((name for name in NAMES if name in parameters), None)
    return FOLDERS.get(folder) or browser or ("engines" if folder == "compat" else "server")


def pytest_timeout_set_timer(item: pytest.Item, settings: pytest_timeout.Settings) -> bool | None:
    """Ends the process of a test with Playwright that takes too long.

    An exception that a signal raises would end Playwright's event loop, and every later test would
    hang. The process that takes over names the test, and goes on with the next.
    """
    if group(item.nodeid) not in NAMES:
        return None

    def end() -> None:
        if not pytest_timeout.is_debugging():
            processes.end_all()
            pytest_timeout.timeout_timer(item, settings)

    timer = threading.Timer(settings.timeout, end)
    timer.name = f"timeout of {item.nodeid}"
    timer.daemon = True
    item.stash[TIMER] = timer
    timer.start()
    return True


def pytest_timeout_cancel_timer(item: pytest.Item) -> bool | None:
    """The test has ended in time."""
    timer = item.stash.get(TIMER, None)
    if timer is None:
        return None
    timer.cancel()
    return True


TIMER = pytest.StashKey[threading.Timer]()


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_name: str
) -> dict[str, Any]:
    """The launch options that were found for this machine."""
    return {**browser_type_launch_args, **launch_options(browser_name)}


@pytest.fixture(scope="session")
def app_folder() -> Path:
    """The project's pages."""
    return WEB


@pytest.fixture(scope="session")
def app_folders() -> dict[str, Path]:
    """And the tests'."""
    return {"/tests": TESTS}


@pytest.fixture(scope="session")
def server(ws_server: Server) -> Server:
    """The project's server, with the package as it is now."""
    return ws_server


@pytest.fixture(scope="module", autouse=True)
def _collected() -> None:
    """What is there before a module is not looked at by the garbage collector after each test."""
    gc.collect()
    gc.freeze()


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A coroutine function is a test too."""
    return coroutines.run_item(pyfuncitem)
