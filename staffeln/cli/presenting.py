# SPDX-License-Identifier: Apache-2.0
"""How things are shown: to people in tables, to programs exactly.

Whatever users can name is escaped in tables, so that a name cannot move
the cursor or hide a line.
"""

from __future__ import annotations

import datetime
import enum
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

EXACT = frozenset({"json", "yaml"})
"""Formats for programs: all fields, names as they are."""

Fields = Mapping[str, Any]


def rows(
    things: Sequence[Fields], short: Sequence[str], formatter: str
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """Columns and rows for a lister.

    :param short: the fields that a table has room for.
    """
    if formatter in EXACT:
        names = list(things[0]) if things else list(short)
        return names, [
            [_exact(each[name]) for name in names] for each in things
        ]
    headers = [_header(name) for name in short]
    return headers, [
        [_for_people(each[name]) for name in short] for each in things
    ]


def one(thing: Fields, formatter: str) -> tuple[list[str], list[Any]]:
    """Fields and values of a single thing."""
    if formatter in EXACT:
        return list(thing), [_exact(value) for value in thing.values()]
    return (
        [_header(name) for name in thing],
        [_for_people(value) for value in thing.values()],
    )


def hint(words: str) -> None:
    """Say something beside the output."""
    print(words, file=sys.stderr)  # noqa: T201


def time(when: datetime.datetime | None) -> str | None:
    """A time in UTC, as ISO 8601 has it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def elapsed(length: datetime.timedelta) -> str:
    """A length of time, short."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}min{seconds:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minutes:02}min"
    return f"{hours // 24}d{hours % 24}h"


def escaped(text: str) -> str:
    """The text on one line, with nothing that a terminal would obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def _header(name: str) -> str:
    words = name.replace("_", " ").capitalize()
    return words.replace(" id", " ID").replace("Id", "ID")


def _exact(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return time(value)
    return value.value if isinstance(value, enum.Enum) else value


def _for_people(value: Any) -> Any:
    value = _exact(value)
    if value is None:
        return "-"
    if isinstance(value, str):
        return "\n".join(escaped(line) for line in value.split("\n"))
    return value
