"""Pages and files."""

import contextlib
import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from readystate_server.lab import Server

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    (root / "secret.txt").write_text("secret")
    web = root / "web"
    for name in (
        *("index.html", "a.js", "a.mjs", "a.wasm", "a.py", "a.whl", "a.json", "a.css", "a.svg"),
        *("a.zip", "two words.txt", ".npmrc", ".git/config", "node_modules/x/index.js"),
        *("examples/index.html", "empty/x.txt"),
        *("vendor/manifest.json", "vendor/pyodide@1.2.3/pyodide.mjs"),
    ):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text(name)
    os.symlink(root / "secret.txt", web / "leak.txt")
    os.symlink(root, web / "up")
    os.symlink(web / ".npmrc", web / "npmrc.txt")
    os.symlink(web / "a.js", web / "alias.js")
    (root / "extra").mkdir()
    (root / "extra" / "page.html").write_text("extra")
    return web


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Server]:
    with Server(web_folder=folder, folders={"/tests": folder.parent / "extra"}) as server:
        yield server


def get(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        response = connection.getresponse()
        return response, response.read()


KINDS = {
    "text/html; charset=utf-8": "/ /index.html /examples/ /examples/?x=1 /tests/page.html",
    "text/javascript; charset=utf-8": "/a.js /a.mjs /alias.js",
    "text/x-python; charset=utf-8": "/a.py",
    "text/css; charset=utf-8": "/a.css",
    "text/plain; charset=utf-8": "/two%20words.txt",
    "application/wasm": "/a.wasm",
    "application/zip": "/a.whl /a.zip",
    "application/json": "/a.json",
    "image/svg+xml": "/a.svg",
}


@pytest.mark.parametrize(
    ("path", "kind"), [(path, kind) for kind, paths in KINDS.items() for path in paths.split()]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file(site: Server, path: str, kind: str, method: str) -> None:
    response, body = get(site, path, method)
    assert response.status == 200
    assert response.headers["Content-Type"] == kind
    assert bool(body) is (method == "GET")
    assert int(response.headers["Content-Length"]) > 0


NOT_SERVED = (
    # outside of the folder
    *("/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/examples/../../secret.txt"),
    *("/examples/%2e%2e%2f%2e%2e%2fsecret.txt", "/..%5csecret.txt", "/%252e%252e/secret.txt"),
    *("//etc/passwd", "/%2fetc/passwd", "/tests/../../secret.txt", "/tests/..%2f..%2fsecret.txt"),
    *("/leak.txt", "/up/secret.txt"),
    # hidden, or of others
    *("/npmrc.txt", "/.npmrc", "/%2enpmrc", "/.git/config"),
    *("/node_modules/x/index.js", "/NODE_MODULES/x/index.js"),
    # no file
    *("/a.js%00.txt", "/a.js/", "/index.html/", "/empty/", "/nothing", "/examples//"),
    *("//example.org/..", f"/{'x' * 300}", "/%ff"),
)


@pytest.mark.parametrize("path", NOT_SERVED)
def test_what_is_not_served(site: Server, path: str) -> None:
    with socket.create_connection((site.host, site.port), timeout=10) as sock:
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b""
        while data := sock.recv(65536):
            answer += data
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), answer
    assert b"secret\n" not in answer
    assert not answer.endswith(b"secret")


@pytest.mark.parametrize(("path", "to"), [("/examples?x=1", "/examples/?x=1"), ("/tests", None)])
def test_a_folder_redirects_to_its_slash(site: Server, path: str, to: str | None) -> None:
    response, _ = get(site, path)
    assert (response.status, response.headers["Location"]) == (302, to or f"{path}/")


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/examples", "/ws/echo", "/ws/nothing", "/journal/nobody"]
)
def test_every_response_is_isolated(site: Server, path: str) -> None:
    response, _ = get(site, path)
    assert HEADERS.items() <= dict(response.headers).items()
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "is_public"),
    [
        *((f"/wheel/{name}.whl", True) for name in ("readystate", "nothing")),
        *((f"/vendor/{name}", True) for name in ("pyodide@1.2.3/pyodide.mjs", "manifest.json")),
        *((path, False) for path in ("/", "/a.whl", "/examples/wheel/", "/wheelbarrow/")),
        *((path, False) for path in ("/runtime/boot.mjs", "/tests/page.html")),
        *((path, False) for path in ("/journal/nobody", "/ws/echo")),
    ],
)
def test_wheels_and_runtimes_alone_are_for_pages_of_any_origin(
    site: Server, path: str, is_public: bool
) -> None:
    response, _ = get(site, path, Origin="http://localhost:1")
    expected = ("*", "cross-origin") if is_public else (None, "same-origin")
    names = ("Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy")
    assert tuple(map(response.headers.get, names)) == expected


def test_versioned_files_are_immutable(site: Server) -> None:
    response, _ = get(site, "/vendor/pyodide@1.2.3/pyodide.mjs")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for path in ("/vendor/manifest.json", "/vendor/pyodide@1.2.3/nothing.js"):
        assert get(site, path)[0].headers["Cache-Control"] == "no-cache"


def test_others_are_revalidated(site: Server) -> None:
    response, _ = get(site, "/a.js")
    assert response.headers["Last-Modified"]
    again, body = get(site, "/a.js", If_None_Match=response.headers["ETag"])
    assert (again.status, body) == (304, b"")
    assert again.headers["Cache-Control"] == "no-cache"


def test_a_favicon_that_is_not_there_is_no_error(site: Server, folder: Path) -> None:
    assert get(site, "/favicon.ico")[0].status == 204
    (folder / "favicon.ico").write_text("icon")
    assert get(site, "/favicon.ico")[1] == b"icon"


def test_nothing_can_be_posted(site: Server) -> None:
    assert get(site, "/", "POST")[0].status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((own, 200) for own in ("localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:1", "[::1]")),
        *((other, 403) for other in ("example.org", "localhost.example.org", "")),
        *((other, 403) for other in ("example.org:localhost", "127.0.0.1.example.org:80")),
    ],
)
def test_whose_host_may_be_asked_for(site: Server, host: str, status: int) -> None:
    response, body = get(site, "/", Host=host)
    assert response.status == status
    assert status == 200 or b"use localhost or 127.0.0.1" in body
    assert HEADERS.items() <= dict(response.headers).items()


def test_host_does_not_matter_beyond_loopback() -> None:
    with Server(host="0.0.0.0") as server:  # noqa: S104
        assert get(server, "/journal/x", Host="example.org")[0].status == 404
