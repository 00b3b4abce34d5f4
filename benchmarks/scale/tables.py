# SPDX-License-Identifier: Apache-2.0
"""One table, line by line, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.scale.targets import Target


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


def _shown(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}" if abs(cell) < 100 else f"{cell:,.0f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
