# SPDX-License-Identifier: Apache-2.0
"""Tables that fit the terminal.

cliff itself narrows the widest columns, which breaks ids in two. Here ids
stay whole, names are cut, reasons are wrapped, and columns that a narrow
terminal has no room for are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence

from cliff import utils

from staffeln.cli import words

_BORDER = 3
"""What a column takes beside its text: a line and two spaces."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How a column behaves where there is little room."""

    least: int | None = None
    """Columns of the terminal that it needs; None: it never gets less."""
    wraps: bool = False
    """Long texts become several lines; else they are cut."""
    from_width: int = 0
    """It is left out of narrower terminals."""

    def has_room(self, width: int | None) -> bool:
        """Whether it is shown in a terminal of this width."""
        return width is None or width >= self.from_width


WHOLE = Fitting()


def room(parsed_args: argparse.Namespace) -> int | None:
    """How wide a table may be; None: nobody minds."""
    if parsed_args.max_width > 0:
        return int(parsed_args.max_width)
    if sys.stdout.isatty() or parsed_args.fit_width:
        return utils.terminal_width() or None
    return None


def fit(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    fittings: Sequence[Fitting],
    width: int | None,
) -> list[list[str]]:
    """The texts of a table, cut and wrapped so that it fits."""
    if width is None:
        return [list(row) for row in rows]
    natural = [
        max([words.cells(title), *(_widest(row[index]) for row in rows)])
        for index, title in enumerate(titles)
    ]
    widths = _shared_out(natural, fittings, width - 1 - _BORDER * len(titles))
    return [
        [
            _narrowed(text, wide, fitting)
            for text, wide, fitting in zip(row, widths, fittings, strict=True)
        ]
        for row in rows
    ]


def _widest(text: str) -> int:
    return max(words.cells(line) for line in text.split("\n"))


def _shared_out(
    natural: Sequence[int], fittings: Sequence[Fitting], usable: int
) -> list[int]:
    """Give each column its width.

    First comes what nobody may take from it; what is left is shared out to
    those that need more, and those that need little get it first.
    """
    widths = [
        wide if fitting.least is None else min(wide, fitting.least)
        for wide, fitting in zip(natural, fittings, strict=True)
    ]
    missing = [wide - has for wide, has in zip(natural, widths, strict=True)]
    left = max(0, usable - sum(widths))
    wanting = sorted(
        (index for index, more in enumerate(missing) if more),
        key=lambda index: missing[index],
    )
    for place, index in enumerate(wanting):
        more = min(missing[index], left // (len(wanting) - place))
        widths[index] += more
        left -= more
    return widths


def _narrowed(text: str, width: int, fitting: Fitting) -> str:
    if fitting.least is None:
        return text
    if fitting.wraps:
        return wrapped(text, width)
    return "\n".join(words.cut(line, width) for line in text.split("\n"))


def wrapped(text: str, width: int, indent: str = "") -> str:
    """The text in lines of at most this width, broken between words.

    A word that is longer than a line is broken where the line ends.
    """
    usable = max(2, width - len(indent))
    lines = [""]
    for word in text.split():
        rest = word
        if lines[-1] and words.cells(f"{lines[-1]} {word}") <= usable:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        while words.cells(rest) > usable:
            head = words.beginning(rest, usable)
            lines[-1:] = [head, ""]
            rest = rest[len(head) :]
        lines[-1] = rest
    return "\n".join(f"{indent}{line}" for line in lines)
