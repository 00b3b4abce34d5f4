# SPDX-License-Identifier: Apache-2.0
"""How many rows each list of a report gets."""

from __future__ import annotations

from collections.abc import Sequence


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """What each gets of the room: as much for each, as far as it wants.

    Nobody gets more than it wants, nothing stays unused while somebody
    wants more, and who gets less than it wants gets as much as any other,
    or one less.
    """
    given = [0] * len(wanted)
    smallest_first = sorted(range(len(wanted)), key=wanted.__getitem__)
    for place, index in enumerate(smallest_first):
        fair = room // (len(wanted) - place)
        given[index] = min(wanted[index], fair)
        room -= given[index]
    return given
