"""`python -m readystate_server`: serve the pages and the WebSocket endpoints until Ctrl-C."""

import argparse
import errno
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from .lab import Server, vendor, wheel
from .lab.compiler import MAGIC
from .lab.places import IS_CHECKOUT, WEB

ENDPOINTS = """\
endpoints:
  /                the pages
  /ws/echo         returns each message          /ws/sink    counts what it receives
  /ws/close        closes with any code          /ws/refuse  answers with an HTTP error
  /ws/drop         resets the TCP connection     /ws/stall   neither reads nor writes
  /ws/flood        sends many messages           /ws/points  sends numbers at a rate
  /ws/peer         acknowledges, and fails as told
  /journal/ID      what connections with id=ID received
Their queries are in server/readystate_server/lab/README.md.
"""


def origin(text: str) -> str:
    """Check an --allow-origin."""
    parts = urlsplit(text)
    if text in ("*", "null") or (parts.netloc and text == f"{parts.scheme}://{parts.netloc}"):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is not an origin: give one like https://example.org"
    )


def folder(text: str) -> Path:
    """Check the folder."""
    if Path(text).is_dir():
        return Path(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a folder")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a type for argparse: whole numbers from `low` to `high`."""

    def number(text: str) -> int:
        if text.isascii() and text.isdigit() and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")

    return number


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m readystate_server",
        description="Serve readystate's pages and WebSocket endpoints. Ctrl-C ends it.",
        epilog=ENDPOINTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "folder",
        nargs="?",
        type=folder,
        default=WEB if IS_CHECKOUT else Path(),
        help="the pages (in a checkout the project's, else the current directory)",
    )
    add("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    add("--port", type=whole(0, 65535), default=8000, help="0: any free one (%(default)s)")
    add("--open", action="store_true", help="open the first page in the browser")
    add("--no-prepare", action="store_true", help="fetch and build nothing, serve what is there")
    add(
        "--allow-origin",
        type=origin,
        action="append",
        default=[],
        metavar="ORIGIN",
        help='pages of this origin may open WebSockets too ("*": all); repeatable',
    )
    add(
        "--max-message",
        type=whole(1, 2**31 - 2),
        default=16 * 2**20,
        metavar="BYTES",
        help="the longest message taken (%(default)s)",
    )
    add(
        "--max-connections",
        type=whole(1, 2**31),
        default=256,
        metavar="N",
        help="WebSockets open at once (%(default)s)",
    )
    return parser.parse_args(arguments)


def prepare() -> None:
    """Fetch the runtimes and build the wheels; report what is not available."""
    try:
        vendor.fetch()
    except (vendor.VendorError, OSError) as error:
        sys.stderr.write(f"{error} Until then the pages use the public CDN.\n")
    missing = sorted(MAGIC.keys() - wheel.build())
    if missing:
        sys.stderr.write(f"Not compiled for {', '.join(missing)}: there is no such Python here.\n")


def serve(options: argparse.Namespace) -> int:
    """Serve until interrupted; return the exit status."""
    server = Server(
        host=options.host,
        port=options.port,
        allow_origins=options.allow_origin,
        max_message=options.max_message,
        max_connections=options.max_connections,
        web_folder=options.folder,
    )
    try:
        server.start()
    except OSError as error:
        sys.stderr.write(f"{explain(error, options.host, options.port)}\n")
        return 1
    try:
        sys.stdout.write(f"{server.url}/\n")
        sys.stdout.flush()
        if options.open:
            webbrowser.open(f"{server.url}/")
        # In steps: a signal that comes just before an endless wait would not end it.
        while True:
            time.sleep(1)
    finally:
        server.stop()
    return 0


def explain(error: OSError, host: str, port: int) -> str:
    """Say why the server cannot listen, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use: stop what uses it, or choose another with --port "
            "(0: any free one)."
        )
    if error.errno == errno.EACCES:
        return f"You may not use port {port} of {host}: choose one above 1023 with --port."
    why = error.strerror or error
    return f"Cannot listen on {host}, port {port}: {why}. Choose another address with --host."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not options.no_prepare:
            prepare()
        return serve(options)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
