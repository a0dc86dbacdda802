"""Calling the user's functions, plain or async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final, TypeVar

T = TypeVar("T")

# The event loop refers to tasks only weakly: this keeps them alive.
_tasks: Final[set[asyncio.Task[Any]]] = set()


def call_handler(handler: Callable[[T], object], argument: T, describe: Callable[[T], str]) -> None:
    """Calls ``handler(argument)``; a coroutine runs as a task.

    Exceptions are reported with the message ``describe(argument)``.
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
    """Refuses a coroutine function where the result is needed at once.

    Raises:
        TypeError: ``function`` is a coroutine function.
    """
    is_async = inspect.iscoroutinefunction(function) or (
        # Also an object whose __call__ is one.
        inspect.iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004
    )
    if is_async:
        raise TypeError(
            f"{name} must be a plain function, as its result is needed at once, "
            f"not a coroutine function: {function!r}"
        )


def at_once(name: str, answer: T) -> T:
    """Returns ``answer``, the result of the plain function ``name``.

    Raises:
        TypeError: It is a coroutine, as from a ``lambda`` that calls a coroutine function.
    """
    if isinstance(answer, CoroutineType):
        answer.close()
        raise TypeError(f"{name} must return its result at once, but returned a coroutine")
    return answer


def report(message: str, error: BaseException) -> None:
    """Passes an exception to the event loop's exception handler."""
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
