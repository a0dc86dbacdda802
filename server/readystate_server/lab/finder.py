"""Imports the modules of a page's wheel from one file: to look for a file each takes longer.

bundle.py puts these lines at the end of ``readystate/__init__.py``, as part of which they run.
"""

from typing import Any


def _import_from_one_file(package: str, file: str, own_loader: Any) -> None:
    import marshal
    import sys
    from importlib.machinery import ModuleSpec, SourceFileLoader, SourcelessFileLoader

    folder, _, suffix = file.rpartition("__init__")
    data = own_loader.get_data(f"{folder}modules")
    modules: dict[str, bytes] = marshal.loads(data)  # noqa: S302 - as all compiled modules are
    base: Any = SourcelessFileLoader if suffix == ".pyc" else SourceFileLoader

    class Loader(base):  # type: ignore[misc]
        def get_data(self, path: str) -> bytes:
            return modules[path.removeprefix(folder)]

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> ModuleSpec | None:
            if not name.startswith(f"{package}."):
                return None
            stem = name.removeprefix(f"{package}.").replace(".", "/")
            module = f"{stem}{suffix}"
            is_package = module not in modules
            if is_package:
                module = f"{stem}/__init__{suffix}"
                if module not in modules:
                    return None
            file = f"{folder}{module}"
            # Not spec_from_file_location(), which takes longer.
            spec = ModuleSpec(name, Loader(name, file), origin=file, is_package=is_package)
            spec.has_location = True
            return spec

    sys.meta_path.insert(0, Finder)


_import_from_one_file(__name__, __file__, globals()["__loader__"])
