"""What the cases need of the standard library, and MicroPython lacks in its own modules."""

import asyncio
import builtins
import itertools
import sys
import time

import typing

sys.modules["collections.abc"] = typing

FIRST_COMPLETED = "FIRST_COMPLETED"


class Future:
    """What the cases use of a future."""

    def __init__(self):
        self._event = asyncio.Event()

    def done(self):
        return self._event.is_set()

    def set_result(self, value):
        self._value = value
        self._event.set()

    def result(self):
        return self._value

    def __iter__(self):
        yield from self._event.wait()
        return self._value


class _Loop:
    def __getattr__(self, name):
        return getattr(_loop, name)

    def create_future(self):
        return Future()


_loop = asyncio.get_event_loop()
_ours = _Loop()


async def _wait(things, timeout=None, return_when=None):
    """Waits for futures and tasks."""
    begin = time.ticks_ms()
    enough = 1 if return_when else len(things)
    while True:
        done = {thing for thing in things if thing.done()}
        late = timeout is not None and time.ticks_diff(time.ticks_ms(), begin) > timeout * 1000
        if len(done) >= enough or late:
            return done, {thing for thing in things if thing not in done}
        await asyncio.sleep_ms(1)


async def _gather(*things):
    results = []
    for thing in things:
        results.append(await thing)
    return results


def _groupby(values):
    """Yields what is the same in a row, and those."""
    group = []
    for value in values:
        if group and value != group[0]:
            yield group[0], group
            group = []
        group.append(value)
    if group:
        yield group[0], group


def _pairwise(values):
    values = list(values)
    return zip(values, values[1:])


builtins.TimeoutError = asyncio.TimeoutError
# Its own does not return to the browser after 0 seconds.
asyncio.sleep = lambda seconds: asyncio.sleep_ms(max(1, int(seconds * 1000)))
asyncio.Future = Future
asyncio.FIRST_COMPLETED = FIRST_COMPLETED
asyncio.get_event_loop = asyncio.get_running_loop = lambda: _ours
asyncio.ensure_future = asyncio.create_task
asyncio.wait = _wait
asyncio.gather = _gather
itertools.groupby = _groupby
itertools.pairwise = _pairwise
time.monotonic = lambda: time.ticks_ms() / 1000
