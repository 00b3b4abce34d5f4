# SPDX-License-Identifier: Apache-2.0
"""A report in the order and the words in which it is shown.

Everything here is text that can be shown as it is, but for what markup
means in it: pages escape that.
"""

from __future__ import annotations

import dataclasses
import enum

from staffeln.domain import report

MOST_PROJECTS = 100
"""Projects that are shown one by one; the overview names more."""

LONGEST_OVERVIEW = 500


class Tone(enum.IntEnum):
    """How good or bad something is; worse is more."""

    PLAIN = 0
    GOOD = 1
    TIGHT = 2
    BAD = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a list."""

    name: str
    server: str
    volume_id: str
    backup_id: str = ""
    what: str = ""
    """Mode and size."""
    when: str
    took: str = ""
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The first rows of a list."""

    title: str
    total: int
    rows: tuple[Row, ...]

    @property
    def left_out(self) -> int:
        """How many rows are not shown."""
        return self.total - len(self.rows)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How full a quota is."""

    name: str
    words: str
    brief: str
    """The same in a word."""
    percent: int | None
    """0 to 100: what a bar shows; None: it has none."""
    tone: Tone


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tasks that are only counted."""

    number: int
    words: str
    tone: Tone


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One project."""

    id: str
    name: str
    totals: report.Totals
    tone: Tone
    meters: tuple[Meter, ...]
    forecast: str
    forecast_tone: Tone
    failed: Listing
    notices: tuple[Listing, ...]
    succeeded: Listing
    counts: tuple[Count, ...]

    @property
    def fullest(self) -> Meter | None:
        """The quota that is nearest to its end; None: none is known."""
        return max(
            self.meters,
            key=lambda each: -1 if each.percent is None else each.percent,
            default=None,
        )

    @property
    def noticed(self) -> int:
        """How many notices there are."""
        return sum(each.total for each in self.notices)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All of it."""

    id: str
    subject: str
    title: str
    about: str
    """Which projects."""
    period: str
    remarks: tuple[str, ...]
    totals: report.Totals
    tone: Tone
    parts: tuple[Part, ...]
    """Those that need a look first."""

    @property
    def detailed_parts(self) -> tuple[Part, ...]:
        """Those that are shown one by one."""
        return self.parts[:MOST_PROJECTS]

    @property
    def overview(self) -> tuple[Part, ...]:
        """Those that are named; none where one project says it all."""
        return self.parts[:LONGEST_OVERVIEW] if len(self.parts) > 1 else ()
