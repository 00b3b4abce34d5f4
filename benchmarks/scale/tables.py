# SPDX-License-Identifier: Apache-2.0
"""One table, line by line, and what it comes to."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from benchmarks.scale.measuring import Cost
from benchmarks.scale.targets import Target


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """What something took at one size."""

    cpu: float
    """Seconds."""
    memory: float
    """MiB."""
    statements: int | None = None
    """None: they were not counted."""

    @classmethod
    def of(cls, cost: Cost) -> Taken:
        """What was measured within the process."""
        return cls(cost.cpu, cost.at_most, cost.statements)


class Table:
    """A table that is printed while it is measured."""

    def __init__(self, headings: Sequence[str]) -> None:
        """:param headings: their width is the column's."""
        self._widths = [len(each) for each in headings]
        self.missed = False
        self.line(*headings)

    def line(self, *cells: object) -> None:
        """Print a line; numbers are set to the right."""
        text = "  ".join(
            _shown(cell).ljust(width)
            if isinstance(cell, str)
            else _shown(cell).rjust(width)
            for cell, width in zip(cells, self._widths, strict=True)
        )
        print(text.rstrip(), flush=True)

    def complain(self, what: str) -> None:
        """Say what is not as it has to be."""
        self.missed = True
        print(f"    UNSOUND: {what}", flush=True)

    def judge(self, target: Target, figure: float, where: str = "") -> None:
        """Say whether a figure keeps its bound."""
        reached = target.reached(figure)
        self.missed = self.missed or not reached
        print(
            f"  {'reached' if reached else 'MISSED '}  {target.name}"
            f"{f' ({where})' if where else ''}: {_shown(figure)}, "
            f"{'at least' if target.at_least else 'at most'} "
            f"{_shown(target.bound)}",
            flush=True,
        )


def ratio(figure: float, floor: float) -> str:
    """How many times its floor a figure is."""
    return f"{figure / floor:.1f} x" if floor else "-"


def tell_growth(found: Mapping[int, Mapping[str, Taken]], things: str) -> None:
    """Say how much more the next larger size takes, case by case.

    :param found: by size.
    """
    for small, large in itertools.pairwise(sorted(found)):
        print(f"\n{large / small:g} x the {things} ({large:,}) take")
        for case, after in found[large].items():
            before = found[small].get(case)
            if before is None:
                continue
            line = (
                f"  {case:28}"
                f"{after.cpu / max(before.cpu, 0.001):6.1f} x the CPU, "
                f"{after.memory / before.memory:5.2f} x the memory"
            )
            if after.statements and before.statements:
                times = after.statements / before.statements
                line += f", {times:6.1f} x the statements"
            print(line)
    print(flush=True)


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 100 else f"{cell:,.0f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
