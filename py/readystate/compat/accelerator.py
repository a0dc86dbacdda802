"""What ``websockets`` looks for to be faster, and the wheel that runs everywhere does not have."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from .server_end import mask

__all__ = ["Accelerator"]

_NAME = "websockets.speedups"


class Accelerator(MetaPathFinder, Loader):
    """Finds the module ``websockets.speedups``, where nobody else does.

    That is an optional part of the library, in C, with one function, which masks. Without it, it
    does so with large integers; this is four times as fast.
    """

    def install(self) -> None:
        """Has it asked after all others; what is imported already stays as it is."""
        sys.meta_path.append(self)

    def uninstall(self) -> None:
        """Has it not asked any more."""
        sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(_NAME, self) if fullname == _NAME else None

    def exec_module(self, module: ModuleType) -> None:
        module.apply_mask = mask  # type: ignore[attr-defined]
