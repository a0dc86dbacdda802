"""Whether the server's journal bears out what a socket says of its messages."""

from __future__ import annotations

import collections
import hashlib
import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from .page import message_of


def arrivals(journal: list[dict[str, Any]], count: int, name: str, seed: int) -> list[int]:
    """The numbers of the messages as they came, over all connections of the socket ``name``.

    Raises:
        ValueError: There are messages that it has not sent, or not all were recorded.
    """
    records = [record for connection in journal for record in connection["messages"]]
    records.sort(key=lambda record: int(record["order"]))
    if [record["order"] for record in records] != [*range(len(records))] or len(records) != sum(
        connection["count"] for connection in journal
    ):
        raise ValueError("the journal has not kept all messages: send fewer")
    index_of = {}
    for index in range(count):
        message = message_of(index, name, seed)
        data = message.encode() if isinstance(message, str) else message
        index_of[hashlib.sha256(data).hexdigest()] = index
    strangers = sum(record["sha256"] not in index_of for record in records)
    if strangers:
        raise ValueError(f"{strangers} messages arrived that it has not sent")
    return [index_of[record["sha256"]] for record in records]


def problems(told: dict[str, Any], arrived: list[int]) -> Iterator[str]:
    """What is wrong with what one socket says.

    Args:
        told: That.
        arrived: The numbers of the messages as they came.
    """
    count = told["messages"]
    for name in ("accepted", "confirmed"):
        if told[name] != count:
            yield f"{count:,} messages were sent, and it says that {told[name]:,} were {name}"
    for name in (
        "dropped",
        "left",
        "deliveries left",
        "deliveries dropped",
        "received and dropped",
    ):
        if told[name]:
            yield f"{name}: {told[name]}"
    if told["sent"] != count + told["resent"]:
        yield f"of {count:,} messages {told['sent']:,} were sent, but {told['resent']:,} again"
    if told["resent"] > told["in doubt"]:
        yield f"{told['resent']:,} were sent again, but only {told['in doubt']:,} were in doubt"
    firsts = list(dict.fromkeys(arrived))
    if len(firsts) != count:
        lost = sorted(set(range(count)) - set(firsts))
        yield f"{len(lost):,} messages are lost, the first ones {lost[:5]}"
    if firsts != sorted(firsts):
        place = next(i for i, (a, b) in enumerate(itertools.pairwise(firsts)) if a > b)
        yield f"not in order: {firsts[max(0, place - 2) : place + 4]} at first arrival {place}"
    duplicates = len(arrived) - len(firsts)
    if duplicates > told["resent"]:
        yield f"{duplicates:,} arrived again, but only {told['resent']:,} were sent again"


def faults_met(journal: list[dict[str, Any]]) -> collections.Counter[str]:
    """What ended the connections of one socket; "none" for one that was given up without need."""
    met: collections.Counter[str] = collections.Counter()
    for connection in journal:
        query = parse_qs(connection["query"])
        if "fault" in query and connection["count"] >= int(query["after"][0]):
            met[query["fault"][0]] += 1
        elif connection is not journal[-1]:
            met["none"] += 1
    return met
