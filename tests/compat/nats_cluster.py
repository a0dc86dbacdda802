"""A cluster of NATS servers with JetStream, MQTT and WebSockets, on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

from ..processes import LASTS, started

SIZE = 3
PATIENCE = 60.0
"""Seconds until a cluster is ready, or a client is where it should be."""
CONFIGURATION = """
server_name: {name}
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{monitor}"
websocket {{ listen: "127.0.0.1:{websocket}", no_tls: true, allowed_origins: {origins} }}
mqtt {{ listen: "127.0.0.1:{mqtt}" }}
jetstream {{ store_dir: "{folder}/{name}", max_memory_store: 64MB, max_file_store: 256MB }}
cluster {{ name: tests, listen: "127.0.0.1:{route}", routes: {routes} }}
"""


T = TypeVar("T")


class Node:
    """A server of the cluster: a process, that may be killed and started again."""

    def __init__(self, name: str, folder: Path, ports: dict[str, int]) -> None:
        self.name, self.ports = name, ports
        self.url = f"ws://127.0.0.1:{ports['websocket']}"
        self.configuration, self._log = folder / f"{name}.conf", folder / f"{name}.log"
        self.process: subprocess.Popen[str] | None = None
        self._ending = contextlib.ExitStack()

    def start(self) -> None:
        binary = shutil.which("nats-server")
        assert binary is not None, "nats-server is not on the PATH: run 'python -m tests.setup'"
        with self._log.open("ab") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            command = [binary, "-c", str(self.configuration)]
            self.process = self._ending.enter_context(started(command, timeout=LASTS, **pipes))

    def kill(self) -> None:
        """Ends it at once (SIGKILL), if it runs."""
        self._ending.close()
        self.process = None

    def ask(self, path: str) -> dict[str, Any] | None:
        """What its monitor says, ``None`` while it says nothing good."""
        if self.process is not None and self.process.poll() is not None:
            raise OSError(f"{self.name} has ended: {self._log.read_text()[-2000:]}")
        try:
            with urlopen(f"http://127.0.0.1:{self.ports['monitor']}{path}", timeout=10) as answer:
                said: dict[str, Any] = json.load(answer)
                return said
        except (OSError, HTTPException):
            return None


class Cluster:
    """``SIZE`` nodes that know each other. Their WebSockets are open to pages of ``origins``."""

    def __init__(self, folder: Path, origins: list[str]) -> None:
        ports = iter(free_ports(SIZE * 5))
        kinds = ("client", "monitor", "websocket", "mqtt", "route")
        self.nodes = [
            Node(f"n{number + 1}", folder, {kind: next(ports) for kind in kinds})
            for number in range(SIZE)
        ]
        routes = json.dumps([f"nats://127.0.0.1:{node.ports['route']}" for node in self.nodes])
        shared = {"folder": folder, "origins": json.dumps(origins), "routes": routes}
        for node in self.nodes:
            text = CONFIGURATION.format(name=node.name, **shared, **node.ports)
            node.configuration.write_text(text)

    @property
    def urls(self) -> list[str]:
        """The WebSocket URLs of its nodes."""
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Starts what does not run, and waits until each node is part of the whole."""
        for node in self.nodes:
            if node.process is None:
                node.start()
        until(lambda: all(map(is_ready, self.nodes)), "the cluster is ready")

    def node_of(self, client: str, *, messages: int = 0) -> Node:
        """The node at which the client of this name is, once it has sent so many messages."""
        return until(
            lambda: next((node for node in self.nodes if has_client(node, client, messages)), None),
            f"{client} is connected and has sent {messages} messages",
        )


@contextlib.contextmanager
def running(folder: Path, *, origins: list[str]) -> Iterator[Cluster]:
    """A cluster, all of whose nodes run."""
    cluster = Cluster(folder, origins)
    try:
        cluster.start()
        yield cluster
    finally:
        for node in cluster.nodes:
            node.kill()


def is_ready(node: Node) -> bool:
    """Whether it takes clients, and its JetStream has a leader and all peers."""
    healthy = node.ask("/healthz")
    meta = (node.ask("/jsz") or {}).get("meta_cluster") or {}
    return bool(healthy and meta.get("leader") and meta.get("cluster_size") == SIZE)


def has_client(node: Node, name: str, messages: int) -> bool:
    connections = ((node.process and node.ask("/connz")) or {}).get("connections", [])
    return any(
        connection.get("name") == name and connection["in_msgs"] >= messages
        for connection in connections
    )


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    with contextlib.ExitStack() as sockets:
        servers = (socket.create_server(("127.0.0.1", 0)) for _ in range(count))
        listeners = [sockets.enter_context(server) for server in servers]
        return [listener.getsockname()[1] for listener in listeners]


def until(look: Callable[[], T | None], what: str) -> T:
    """Waits until there is something to be seen, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE:g} s it is not so yet that {what}")
        time.sleep(0.1)
    return seen
