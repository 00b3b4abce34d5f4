# SPDX-License-Identifier: Apache-2.0
"""How texts, times and lengths are shown to people."""

from __future__ import annotations

import datetime
import unicodedata

NOTHING = "-"
"""What stands in a table where there is no value."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def plain(text: str) -> str:
    """The text with all that a terminal might obey shown as an escape.

    Control characters, line breaks, marks that turn the direction of
    writing, and what is no character become ``\\n``, ``\\x1b``, ``\\u202e``.
    """
    if text.isprintable():
        return text  # nearly all are, and tables may have 100,000 lines
    return "".join(
        each
        if each.isprintable()
        else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def cells(text: str) -> int:
    """How many columns of a terminal a line takes."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(_cells(each) for each in text)


def cut(text: str, width: int) -> str:
    """The text in at most so many columns; an ellipsis says it was longer."""
    if cells(text) <= width:
        return text
    return beginning(text, width - 1) + "…"


def beginning(text: str, width: int) -> str:
    """As many of the first characters as so many columns take."""
    used = 0
    for index, each in enumerate(text):
        used += _cells(each)
        if used > width:
            return text[:index]
    return text


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def when(time: datetime.datetime) -> str:
    """A time in UTC, in ISO 8601, as exact as it is known."""
    return f"{time.isoformat()}Z"


def second(time: datetime.datetime) -> str:
    """A time in UTC, in ISO 8601, to the second."""
    return when(time.replace(microsecond=0))


def length(duration: datetime.timedelta) -> str:
    """A length of time in its two largest units, such as ``2h 5min``."""
    seconds = int(abs(duration.total_seconds()))
    sign = "-" if seconds and duration < datetime.timedelta() else ""
    for index, (unit, size) in enumerate(_UNITS[:-1]):
        if seconds >= size:
            smaller, small_size = _UNITS[index + 1]
            rest = seconds % size // small_size
            more = f" {rest}{smaller}" if rest else ""
            return f"{sign}{seconds // size}{unit}{more}"
    return f"{sign}{seconds}s"
