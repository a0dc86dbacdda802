"""Files of a folder over HTTP, and none outside it."""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import hdrs, web
from yarl import URL

from .places import FOLDERS

HIDDEN = frozenset({"node_modules"})
IMMUTABLE = "public, max-age=31536000, immutable"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
    ".zip": "application/zip",
}


def is_hidden(name: str) -> bool:
    """Whether a path segment is never served: dotfiles (and so ..), node_modules, the empty one."""
    return not name or name.startswith(".") or name.lower() in HIDDEN


def find(folder: Path, path: str) -> Path | None:
    """Return the file or folder below `folder` that `path` (decoded, relative) names.

    None if it does not exist, is hidden, or is outside `folder` by a symbolic link.
    """
    segments = path.split("/") if path else []
    if any(is_hidden(name) or "\\" in name or "\0" in name for name in segments):
        return None
    root = folder.resolve()
    try:
        found = root.joinpath(*segments).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if not found.is_relative_to(root) or any(map(is_hidden, found.relative_to(root).parts)):
        return None
    return found


class StaticFiles:
    """The request handler for every path that nothing else handles.

    `folders` maps URL prefixes ("" for the rest, "/tests") to folders; the longest prefix wins.
    Other files are looked up in FOLDERS.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        own = sorted(folders.items(), key=lambda item: -len(item[0]))
        self._folders = [*own, *FOLDERS.items()]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file, a folder's index.html, a redirect to a folder, or 404."""
        path = request.path
        found = self._find(path)
        if found is not None and found.is_dir():
            if not path.endswith("/"):
                query = request.query_string
                raise web.HTTPFound(URL.build(path=f"{path}/", query_string=query))
            found = self._find(f"{path}index.html")
        elif path.endswith("/"):
            found = None
        if found is None or not found.is_file():
            if path == "/favicon.ico":
                return web.Response(status=204)
            raise web.HTTPNotFound(text=f"There is no {path} here.\n")
        headers = {hdrs.CACHE_CONTROL: IMMUTABLE if is_versioned(path) else "no-cache"}
        if found.suffix.lower() in TYPES:
            headers[hdrs.CONTENT_TYPE] = TYPES[found.suffix.lower()]
        return web.FileResponse(found, headers=headers)

    def _find(self, path: str) -> Path | None:
        for prefix, folder in self._folders:
            if path == prefix or path.startswith(f"{prefix}/"):
                found = find(folder, path[len(prefix) + 1 :].removesuffix("/"))
                if found is not None:
                    return found
        return None


def is_versioned(path: str) -> bool:
    """Whether the file at `path` never changes: /vendor/<package>@<version>/..."""
    segments = path.split("/")
    return len(segments) > 3 and segments[1] == "vendor" and "@" in segments[2]
