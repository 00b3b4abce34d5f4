# SPDX-License-Identifier: Apache-2.0
"""How names, times, numbers and reasons are put into words."""

from __future__ import annotations

import datetime
import unicodedata

from staffeln.domain import hiding

LONGEST_NAME = 100
"""Characters of a name that are shown; the sheet has all of them."""

LONGEST_REASON = 600

_JOINERS = frozenset("\u200c\u200d")
"""Not printable, and part of emoji and of Persian and Indic words."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def shown(text: str, longest: int | None = LONGEST_NAME) -> str:
    """The text as it can be shown anywhere: one line that does what it says.

    Control characters, line breaks and marks that turn the direction of
    writing become ``\\n``, ``\\x1b``, ``\\u202e``. A text that is too long is
    cut, and an ellipsis says so.

    :param longest: characters; None: all of them.
    """
    if longest is not None and len(text) > longest:
        text = text[: longest - 1] + "…"
    return "".join(map(_character, text))


def _character(each: str) -> str:
    if each.isprintable() or each in _JOINERS:
        return each
    if unicodedata.category(each) == "Zs":
        return " "
    return each.encode("unicode_escape").decode("ascii")


def reason(
    text: str, *, detailed: bool, longest: int | None = LONGEST_REASON
) -> str:
    """A reason in one line.

    :param detailed: for operators: with hosts, addresses and paths.
    """
    line = " ".join(text.split())
    return shown(line if detailed else hiding.for_tenants(line), longest)


def minute(time: datetime.datetime) -> str:
    """A time of day, as reports show it; they say that it is UTC."""
    return time.strftime("%Y-%m-%d %H:%M")


def second(time: datetime.datetime) -> str:
    """A time in UTC, in ISO 8601, to the second."""
    return f"{time.replace(microsecond=0).isoformat()}Z"


def length(duration: datetime.timedelta) -> str:
    """A length of time in its two largest units, such as ``2 h 5 min``."""
    seconds = max(int(duration.total_seconds()), 0)
    for index, (unit, size) in enumerate(_UNITS[:-1]):
        if seconds >= size:
            smaller, small_size = _UNITS[index + 1]
            rest = seconds % size // small_size
            more = f" {rest} {smaller}" if rest else ""
            return f"{seconds // size} {unit}{more}"
    return f"{seconds} s"


def number(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def count(value: int, noun: str) -> str:
    """So many of them: ``1 backup``, ``1,200 backups``."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"
