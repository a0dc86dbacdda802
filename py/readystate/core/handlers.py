"""Calling functions that the user gave: plain ones and coroutine functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final, TypeVar

T = TypeVar("T")

# The event loop refers to a task only weakly: this keeps those of coroutine functions alive.
_tasks: Final[set[asyncio.Task[Any]]] = set()


def call_handler(handler: Callable[[T], object], argument: T, describe: Callable[[T], str]) -> None:
    """Calls ``handler(argument)``; a coroutine becomes a task that is kept until it is done.

    What it raises is reported, with the message that ``describe(argument)`` returns.
    """
    try:
        result = handler(argument)
        if result is not None and asyncio.iscoroutine(result):
            _start(result, argument, describe)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        report(describe(argument), error)


def refuse_coroutine_function(name: str, function: Any) -> None:
    """Refuses a coroutine function where the answer is needed at once.

    Raises:
        TypeError: ``function`` is one.
    """
    is_async = inspect.iscoroutinefunction(function) or (
        # An object that is called as one, too.
        inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004
    )
    if is_async:
        raise TypeError(
            f"{name} must be a plain function, as its answer is needed at once, "
            f"not a coroutine function: {function!r}"
        )


def at_once(name: str, answer: T) -> T:
    """The answer of a plain function.

    Raises:
        TypeError: It is a coroutine, as a ``lambda`` may return that calls a coroutine function.
    """
    if isinstance(answer, CoroutineType):
        answer.close()
        raise TypeError(f"{name} must return its answer at once, and has returned a coroutine")
    return answer


def report(message: str, error: BaseException) -> None:
    """Hands an exception to the event loop's exception handler."""
    context = {"message": message, "exception": error}
    asyncio.get_event_loop().call_exception_handler(context)


def _start(coroutine: Coroutine[Any, Any, Any], argument: T, describe: Callable[[T], str]) -> None:
    task = asyncio.ensure_future(coroutine)
    _tasks.add(task)

    def done(task: asyncio.Task[Any]) -> None:
        _tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            report(describe(argument), error)

    task.add_done_callback(done)
