"""A cluster of NATS servers with JetStream, MQTT and WebSockets, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Self

from ..processes import LASTS, started

SIZE = 3
PATIENCE = 60.0
"""Seconds until a cluster is ready, or a client is where it should be."""
CONFIGURATION = """
server_name: {name}
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{monitor}"
websocket {{ listen: "127.0.0.1:{websocket}", no_tls: true, allowed_origins: [{origins}] }}
mqtt {{ listen: "127.0.0.1:{mqtt}" }}
jetstream {{ store_dir: "{store}", max_memory_store: 64MB, max_file_store: 256MB }}
cluster {{ name: tests, listen: "127.0.0.1:{route}", routes: [{routes}] }}
"""


class Node:
    """A server of the cluster: a process, that may be killed and started again."""

    def __init__(self, name: str, folder: Path, ports: dict[str, int]) -> None:
        self.name = name
        self.ports = ports
        self.url = f"ws://127.0.0.1:{ports['websocket']}"
        self.configuration = folder / f"{name}.conf"
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[str] | None = None
        self._ending = contextlib.ExitStack()

    @property
    def runs(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Starts it.

        Raises:
            RuntimeError: There is no NATS server on this machine.
        """
        binary = shutil.which("nats-server")
        if binary is None:
            raise RuntimeError(
                "nats-server is not on the PATH: run 'python -m tests.setup', or get it from "
                "https://github.com/nats-io/nats-server/releases"
            )
        with self._log.open("ab") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            command = [binary, "-c", str(self.configuration)]
            self._process = self._ending.enter_context(started(command, timeout=LASTS, **pipes))

    def kill(self) -> None:
        """Ends it at once (SIGKILL). Does nothing if it does not run."""
        if self._process is not None:
            self._ending.close()
            self._process = None

    def ask(self, path: str) -> dict[str, Any] | None:
        """What its monitor says, ``None`` while it says nothing good.

        Raises:
            OSError: The process has ended by itself.
        """
        if self._process is not None and self._process.poll() is not None:
            raise OSError(f"{self.name} has ended: {self._log.read_text()[-2000:]}")
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["monitor"], timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            said: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return said if answer.status == 200 else None


class Cluster:
    """``SIZE`` nodes that know each other. Their WebSockets are open to pages of ``origins``."""

    def __init__(self, folder: Path, *, origins: Collection[str]) -> None:
        ports = iter(free_ports(SIZE * 5))
        kinds = ("client", "monitor", "websocket", "mqtt", "route")
        self.nodes = [
            Node(f"n{number + 1}", folder, {kind: next(ports) for kind in kinds})
            for number in range(SIZE)
        ]
        routes = ", ".join(f'"nats://127.0.0.1:{node.ports["route"]}"' for node in self.nodes)
        for node in self.nodes:
            text = CONFIGURATION.format(
                name=node.name,
                store=folder / node.name,
                routes=routes,
                origins=", ".join(f'"{origin}"' for origin in origins),
                **node.ports,
            )
            node.configuration.write_text(text)

    @property
    def urls(self) -> list[str]:
        """The WebSocket URLs of its nodes."""
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Starts what does not run, and waits until each node is part of the whole.

        Raises:
            RuntimeError: There is no NATS server on this machine.
            OSError: A node ended.
            TimeoutError: It takes too long.
        """
        for node in self.nodes:
            if not node.runs:
                node.start()
        until(lambda: all(map(is_ready, self.nodes)), "the cluster is ready")

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def node_of(self, client: str, *, messages: int = 0) -> Node:
        """The node at which the client of this name is, once it has sent so many messages."""
        found: list[Node] = []

        def look() -> bool:
            found[:] = [node for node in self.nodes if has_client(node, client, messages)]
            return bool(found)

        until(look, f"{client} is connected and has sent {messages} messages")
        return found[0]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def is_ready(node: Node) -> bool:
    """Whether it takes clients, and its JetStream has a leader and all peers."""
    healthy = node.ask("/healthz")
    meta = (node.ask("/jsz") or {}).get("meta_cluster") or {}
    return bool(healthy and meta.get("leader") and meta.get("cluster_size") == SIZE)


def has_client(node: Node, name: str, messages: int) -> bool:
    connections = ((node.runs and node.ask("/connz")) or {}).get("connections", [])
    return any(
        connection.get("name") == name and connection["in_msgs"] >= messages
        for connection in connections
    )


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    with contextlib.ExitStack() as sockets:
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        for listener in listeners:
            sockets.enter_context(listener)
        return [listener.getsockname()[1] for listener in listeners]


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits.

    Raises:
        TimeoutError: For too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE:g} s it is not so yet that {what}")
        time.sleep(0.1)
