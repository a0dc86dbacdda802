"""The accelerator module that ``websockets``' pure-Python wheel lacks."""

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
    """Provides the module ``websockets.speedups`` if it does not exist.

    That is an optional C extension with one function, for masking. This one is four times as fast
    as the library's fallback.
    """

    def install(self) -> None:
        """Adds it after all other finders. Does not affect what is already imported."""
        sys.meta_path.append(self)

    def uninstall(self) -> None:
        """Removes it."""
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
