"""``python -m tests.mutations``: whether the tests notice when the package breaks."""

from __future__ import annotations

import argparse
import marshal
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from readystate_server.lab import bundle, wheel

from ..processes import ROOT, run, started
from .breaks import BREAKS, Break

ENOUGH = 38
"""How many of all breaks have to be noticed."""
LIMIT = 300.0
"""Seconds that the tests of one break may take. The slowest test may take half of it."""
LIMIT_UNBROKEN = 1500.0
"""Seconds that the tests of all of them may take, with nothing broken."""
ENDING = 20.0
"""Seconds that pytest has, when it is interrupted, to end what its tests have started."""

COPIED = ("py", "server", "tests", "web", "pyproject.toml")
FETCHED = ("web/vendor", "tests/compat/.cpython")
"""What ``python -m tests.setup`` has fetched: too much to copy, and nothing in it is broken."""
PACKAGES = ("readystate", "readystate_server", "tests")
LEFT_OUT = {*FETCHED, "web/wheel", "web/docs"}
WHEEL = "web/wheel/readystate.whl"
"""What pages load: the lab makes it of the package as it is imported."""

IN_PYODIDE = ("tests/browser/", "tests/compat/")
"""Where tests load it."""

PASSED, FAILED, INTERRUPTED = 0, 1, 2
"""Exit statuses of pytest: the others say that it could not run the tests."""
_STARTED = re.compile(
    r"^(tests/\S+\.py::.+?)(?: (?:PASSED|SKIPPED|XFAIL|FAILED|ERROR)\b.*| )$", re.M
)
_NOT_COLLECTED = re.compile(r"^ERROR (tests/\S+)", re.M)


class MutationsError(Exception):
    """The result would say nothing; the text says why."""


def parse(arguments: Sequence[str] | None = None) -> list[Break]:
    """Returns what is to be broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutations",
        description=(
            f"Breaks a copy of the project in {len(BREAKS)} ways, one after the other, and says of "
            "each which test notices it, of those that should."
        ),
        epilog=f"exit status: 0 if {ENOUGH} of all, or each of those that were named, are noticed",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those with this in the name")
    names = parser.parse_args(arguments).names
    for name in names:
        if not any(name in a_break.name for a_break in BREAKS):
            parser.error(f"no break has {name!r} in its name")
    return [one for one in BREAKS if not names or any(name in one.name for name in names)]


def main() -> int:
    """Breaks one thing after the other; returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the copy would stay
    breaks = parse()
    began = time.monotonic()
    noticed = 0
    try:
        with copied() as copy:
            seconds = check_unbroken(copy, breaks)
            say(f"nothing is broken, and all tests pass  {seconds:.0f} s")
            for one in breaks:
                since = time.monotonic()
                with applied(one, copy):
                    test = first_failure(copy, one.tests, LIMIT)
                    check_wheel(copy, one)
                noticed += test is not None
                result = "NOT NOTICED" if test is None else f"noticed by {test}"
                say(f"{one.name}: {result}  {time.monotonic() - since:.0f} s")
    except (MutationsError, ValueError) as error:
        say(str(error))
        return 1
    minutes = (time.monotonic() - began) / 60
    say(f"{noticed} of {len(breaks)} noticed, in {minutes:.1f} minutes")
    return 0 if noticed >= (ENOUGH if breaks == [*BREAKS] else len(breaks)) else 1


def say(text: str) -> None:
    """Tells it at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the project, until the end of the block."""

    def left_out(folder: str, names: list[str]) -> Iterable[str]:
        place = Path(folder).relative_to(ROOT)
        return [
            name
            for name in names
            if (place / name).as_posix() in LEFT_OUT or name in ("__pycache__", "node_modules")
        ]

    with tempfile.TemporaryDirectory(prefix="readystate-mutations-") as folder:
        copy = Path(folder).resolve()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=left_out)
            else:
                shutil.copy(ROOT / name, copy)
        for name in FETCHED:
            if (ROOT / name).exists():
                (copy / name).symlink_to(ROOT / name)
        yield copy


@contextmanager
def applied(one: Break, copy: Path) -> Iterator[None]:
    """The copy is broken in the block."""
    path = copy / one.file
    right = path.read_text()
    path.write_text(one.applied(right))
    try:
        yield
    finally:
        path.write_text(right)


def check_unbroken(copy: Path, breaks: Sequence[Break]) -> float:
    """Sees to it that a failure is the fault of a break; returns how many seconds that took.

    Raises:
        MutationsError: It need not be.
        ValueError: What is to be broken is not there.
    """
    for one in breaks:
        one.applied((copy / one.file).read_text())
    code = "import {0}; print(*(module.__file__ for module in ({0})))".format(", ".join(PACKAGES))
    imported = run([sys.executable, "-c", code], cwd=copy, env=environment(copy)).stdout.split()
    if len(imported) != len(PACKAGES) or not all(Path(p).is_relative_to(copy) for p in imported):
        raise MutationsError(f"not the copy in {copy} is imported, but: {' '.join(imported)}")
    since = time.monotonic()
    tests = dict.fromkeys(test for one in breaks for test in one.tests)
    failed = first_failure(copy, [*tests], LIMIT_UNBROKEN)
    if failed is not None:
        raise MutationsError(f"{failed} fails though nothing is broken: mend that first")
    return time.monotonic() - since


def check_wheel(copy: Path, one: Break) -> None:
    """Sees to it that pages had the package as it is in the copy now.

    Raises:
        MutationsError: They had another one.
    """
    if any(test.startswith(IN_PYODIDE) for test in one.tests):
        name = one.file.removeprefix("py/")
        with zipfile.ZipFile(copy / WHEEL) as archive:
            modules = marshal.loads(archive.read(bundle.MODULES))  # noqa: S302 - made here
        in_page = modules[name.removeprefix("readystate/")]
        if in_page != wheel.read(copy / "py" / "readystate")[name]:
            raise MutationsError(f"{one.name!r}: the pages had a package that was not broken")


def first_failure(copy: Path, tests: Iterable[str], limit: float) -> str | None:
    """Runs tests until one fails; returns which, or ``None``.

    Raises:
        MutationsError: pytest could not run them.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-v", "-n", "0", "--tb=no"]
    command += ["--browser", "chromium", *tests]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with started(
        command, timeout=limit + 2 * ENDING, cwd=copy, env=environment(copy), **pipes
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
            return f"{last_test(output)} after {limit:.0f} s, in which it did not end"
    if process.returncode == PASSED:
        return None
    if process.returncode in (FAILED, INTERRUPTED) and (test := last_test(output)):
        return test
    raise MutationsError(f"pytest could not run {' '.join(tests)}:\n{output}")


def last_test(output: str) -> str:
    """Of a run that ends with the first failure, the test, or the file, that failed; or ``""``."""
    found = _STARTED.findall(output) or _NOT_COLLECTED.findall(output)
    return str(found[-1]) if found else ""


def environment(copy: Path) -> dict[str, str]:
    """With which Python imports the copy, whatever is installed."""
    path = os.pathsep.join((str(copy / "py"), str(copy / "server")))
    return {**os.environ, "PYTHONPATH": path}


if __name__ == "__main__":
    sys.exit(main())
