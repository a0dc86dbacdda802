"""Summarizes the messages of an id, by the numbers at their start."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from .acknowledgements import number_of
from .journal import Entry


def summarize(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return a summary of an id's connections, as plain data."""
    records = (record for entry in entries for record in entry.messages)
    seen: set[int] = set()
    numbered = out_of_order = 0
    highest = -1
    for record in sorted(records, key=attrgetter("order")):
        number = None if record.data is None else number_of(record.data)
        if number is None:
            continue
        numbered += 1
        out_of_order += number < highest and number not in seen
        highest = max(highest, number)
        seen.add(number)
    return {
        "connections": len(entries),
        "open": sum(entry.opened and entry.close is None for entry in entries),
        "messages": sum(entry.count for entry in entries),
        "bytes": sum(entry.size for entry in entries),
        "truncated": any(entry.truncated for entry in entries),
        "numbered": numbered,
        "distinct": len(seen),
        "out_of_order": out_of_order,
        "ranges": ranges(seen),
    }


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Return the first and last number of each range."""
    rows: list[list[int]] = []
    for number in sorted(numbers):
        if rows and number == rows[-1][1] + 1:
            rows[-1][1] = number
        else:
            rows.append([number, number])
    return rows
