# SPDX-License-Identifier: Apache-2.0
"""The queue of planned backups: fair between projects, over all cycles.

Each task gets a place when it is planned. The queue has *rounds*; a project
has one task in a round. A project that comes later begins with the round
that is being served, behind those who wait in it but not behind everything
that others have queued: so one with 5,000 volumes does not starve one with 3,
nor one that comes again and again those who were there before. (Start-time
fair queueing, each task counted as one.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

ROUND = 1 << 20
"""Places in a round: more than there are projects in any cloud."""


@dataclasses.dataclass(frozen=True, slots=True)
class Queue:
    """How far the queue of claimable tasks reaches."""

    last: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """The highest rank that each project has queued."""
    front: int = 0
    """A rank of the round that is served."""
    back: int | None = None
    """The highest rank that waits in that round; None: none does."""


def bounds(front: int) -> tuple[int, int]:
    """The first rank of the round that is served, and of the next one."""
    start = front // ROUND * ROUND
    return start, start + ROUND


def rounds_behind(first: int, front: int) -> int:
    """How much a rank has to grow to be in the round that is served."""
    return max(0, front // ROUND - first // ROUND) * ROUND


def ranks(projects: Iterable[str], queue: Queue) -> list[int]:
    """Ranks of new tasks, in the order of what is most urgent.

    :param projects: the project of each task, the most urgent first; within
        a round that one is served first.
    """
    first = queue.front // ROUND
    rounds = {
        project_id: max(first, rank // ROUND + 1)
        for project_id, rank in queue.last.items()
    }
    behind = 0 if queue.back is None else queue.back % ROUND + 1
    found = []
    for place, project_id in enumerate(projects):
        number = rounds.get(project_id, first)
        rounds[project_id] = number + 1
        if number == first:
            place += behind
        found.append(number * ROUND + min(place, ROUND - 1))
    return found
