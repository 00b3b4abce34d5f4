# SPDX-License-Identifier: Apache-2.0
"""How an examination is shown to people: the worst first, and briefly."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cliff import utils

from staffeln.cli import layout, words
from staffeln.domain.findings import (
    HELD,
    Checked,
    Examination,
    Finding,
    Result,
)

MOST_ALIKE = 5
"""Findings of one kind that a table shows; JSON has all."""

SIDE_BY_SIDE = 120
"""Columns from which on what to do stands beside what is wrong."""

_GAP = "  "
_LONGEST_UNLIMITED = 160
_NARROWEST = 60
_SHOWN = {
    Result.OK: "ok",
    Result.WARNING: "warning",
    Result.NOT_CHECKED: "NOT CHECKED",
    Result.ERROR: "ERROR",
}
_COLOURS = {
    Result.OK: "32",
    Result.WARNING: "33",
    Result.NOT_CHECKED: "35",
    Result.ERROR: "31;1",
}
_HEADS = ("CHECK", "RESULT", "WHAT", "WHAT TO DO")


def room(max_width: int) -> int:
    """How wide the table may be."""
    if max_width > 0:
        return max(max_width, _NARROWEST)
    if sys.stdout.isatty():
        return max(utils.terminal_width() or 80, _NARROWEST)
    return _LONGEST_UNLIMITED


def is_coloured(out: Any) -> bool:
    """Whether it goes to a terminal whose owner has nothing against it."""
    return "NO_COLOR" not in os.environ and bool(
        getattr(out, "isatty", lambda: False)()
    )


def lines(
    found: Examination, width: int, *, coloured: bool = False
) -> Iterator[str]:
    """The table, and a line that sums it up."""
    table = _Table(found, width, coloured=coloured)
    yield table.head()
    for each in found.checks:
        yield from table.check(each)
    yield ""
    yield summary(found)


def summary(found: Examination) -> str:
    """How many checks ended how."""
    counts = [
        f"{number} {words_of}"
        for result, words_of in (
            (Result.ERROR, "with errors"),
            (Result.NOT_CHECKED, "not checked"),
            (Result.WARNING, "with warnings"),
            (Result.OK, "ok"),
        )
        if (number := found.count(result))
    ]
    many = "" if len(found.checks) == 1 else "s"
    return (
        f"{len(found.checks)} check{many} in {found.seconds:.1f} s: "
        f"{', '.join(counts)}"
    )


class _Table:
    """Columns that fit."""

    def __init__(
        self, found: Examination, width: int, *, coloured: bool
    ) -> None:
        self._coloured = coloured
        self._names = max(
            [len(_HEADS[0]), *(len(each.name) for each in found.checks)]
        )
        self._results = max(
            [
                len(_HEADS[1]),
                *(len(_SHOWN[each.result]) for each in found.checks),
            ]
        )
        rest = width - self._names - self._results - 2 * len(_GAP)
        self._beside = width >= SIDE_BY_SIDE
        self._what = (rest - len(_GAP)) // 2 if self._beside else rest
        self._todo = rest - len(_GAP) - self._what if self._beside else rest
        self._all = rest

    def head(self) -> str:
        """The names of the columns."""
        heads = list(_HEADS)
        if self._beside:
            heads[2] = heads[2].ljust(self._what)
        else:
            heads[2:] = [f"{_HEADS[2]} / {_HEADS[3].lower()}"]
        return self._row(*heads).rstrip()

    def check(self, checked: Checked) -> Iterator[str]:
        """Its lines; one alone where all is well."""
        name = checked.name
        if checked.result is Result.OK:
            said = words.plain(checked.findings[0].what)
            shown = words.cut(said, self._all)
            yield self._row(name, self._mark(Result.OK), shown).rstrip()
            return
        for finding, more in _alike(checked):
            for line in self._finding(finding, more):
                yield self._row(name, *line).rstrip()
                name = ""

    def _finding(self, found: Finding, more: int) -> Iterator[tuple[str, ...]]:
        mark = self._mark(found.result)
        said = words.plain(found.what)
        what = layout.wrapped(said, self._what).split("\n")
        todo = "" if found.kind == HELD else words.plain(found.todo)
        help_lines = layout.wrapped(todo, self._todo).split("\n")
        if not self._beside:
            if todo:
                what += layout.wrapped(f"-> {todo}", self._what).split("\n")
            help_lines = []
        blank = " " * self._results
        for index in range(max(len(what), len(help_lines))):
            left = what[index] if index < len(what) else ""
            cells = [mark if index == 0 else blank, left]
            if self._beside:
                padding = self._what - words.cells(left)
                right = help_lines[index] if index < len(help_lines) else ""
                cells[1] += " " * padding
                cells.append(right)
            yield tuple(cells)
        if more:
            said = f"and {more} more like this; --json names them all"
            for line in layout.wrapped(said, self._all).split("\n"):
                yield blank, line

    def _mark(self, result: Result) -> str:
        text = _SHOWN[result].ljust(self._results)
        if not self._coloured:
            return text
        return f"\x1b[{_COLOURS[result]}m{text}\x1b[0m"

    def _row(self, name: str, result: str, *rest: str) -> str:
        return _GAP.join(
            (name.ljust(self._names), result.ljust(self._results), *rest)
        )


def _alike(checked: Checked) -> Iterator[tuple[Finding, int]]:
    """Findings with how many more of their kind are left out after them."""
    totals = Counter(each.kind for each in checked.findings)
    seen: Counter[str] = Counter()
    for each in checked.findings:
        seen[each.kind] += 1
        if seen[each.kind] < MOST_ALIKE:
            yield each, 0
        elif seen[each.kind] == MOST_ALIKE:
            yield each, totals[each.kind] - MOST_ALIKE
