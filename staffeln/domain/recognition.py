# SPDX-License-Identifier: Apache-2.0
"""Is a database the one that was seen before, and no older?

Terms of the scheduler never become fewer, and who took a term and when never
changes. A database that was restored from a backup goes on from an older
moment, and has other holders of the same terms soon.
"""

from __future__ import annotations

import enum

from staffeln.domain import checking

AGAIN = checking.Strange(
    doubt=checking.Doubt.FORGOTTEN,
    why="the scheduler's term changed just now; ask once more",
)
"""The database was not asked about the term that is remembered."""


class Relation(enum.Enum):
    """How a database is related to what was seen."""

    SAME = enum.auto()
    """The same term, taken by the same: its writes are to be compared."""
    LATER = enum.auto()
    """It has gone on, from what was seen."""
    LOWER = enum.auto()
    """It is of before: a late replica, or restored."""
    FORKED = enum.auto()
    """It went on from before what was seen: restored, without a doubt."""
    UNTOLD = enum.auto()
    """It was asked about another term than the one that was seen."""


def relation(term: int, holder: str, found: checking.Age) -> Relation:
    """Compare what is found with a term that was seen.

    :param holder: who took it, and when; empty: that was not known.
    """
    if found.term < term:
        return Relation.LOWER
    if found.term == term:
        same = not holder or holder == found.holder
        return Relation.SAME if same else Relation.FORKED
    if not holder:
        return Relation.LATER
    if found.known_term != term:
        return Relation.UNTOLD
    same = holder == found.known_holder
    return Relation.LATER if same else Relation.FORKED
