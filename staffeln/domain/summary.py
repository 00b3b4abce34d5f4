# SPDX-License-Identifier: Apache-2.0
"""What operators are told: failures by cause and project, what needs hands.

A :class:`Tally` counts reports as they pass by and forgets their rows, so
that it stays small however much they tell of.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from staffeln.domain import model, report

LONGEST_CAUSE = 200
"""Characters of a cause."""

MOST_CAUSES = 500
"""Causes that are told apart; the others are counted as one."""

OTHER_CAUSES = "other causes"

ELLIPSIS = "…"

_ID = re.compile(
    r"\b(?:req-)?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b",
    re.IGNORECASE,
)
"""Uuids, with hyphens or not; ids of requests, projects and volumes."""

_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?")

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why backups failed, without what differs from one to the other."""

    words: str
    backups: int
    projects: int
    """Of how many projects they are."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLine:
    """What became of one project's backups."""

    project_id: str
    project_name: str | None
    """None: it could not be read."""
    failed: int
    succeeded: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What operators are told, after reports went out."""

    id: str
    created_at: datetime.datetime
    since: datetime.datetime
    """When the oldest task that the reports told of was created."""
    projects: int
    """Of how many projects reports told."""
    totals: report.Totals
    causes: tuple[Cause, ...]
    """The one with most failures first."""
    failing: tuple[ProjectLine, ...]
    """Projects with failures, the one with most of them first."""
    cycle: model.Cycle | None
    """What the last cycle came to; None: nobody knows."""
    topics: Mapping[report.Topic, int]
    """How many notices of each topic there are, of all projects."""
    hands: tuple[str, ...]
    """What needs an operator's hands, a line each."""


def cause_of(reason: str) -> str:
    """A reason without ids, times and numbers: the same for alike ones."""
    line = " ".join(reason[: 10 * LONGEST_CAUSE].split())
    for differing in (_TIME, _ID, _NUMBER):
        line = differing.sub(ELLIPSIS, line)
    if len(line) > LONGEST_CAUSE:
        line = line[: LONGEST_CAUSE - 1] + ELLIPSIS
    return line or "no reason was given"


class Tally:
    """Counts what reports tell of, until it is summed up."""

    def __init__(self) -> None:
        self._totals = report.Totals()
        self._projects: set[str] = set()
        self._backups: Counter[str] = Counter()
        """Failed ones, by cause."""
        self._concerned: dict[str, set[str]] = {}
        """Ids of projects, by cause."""
        self._lines: dict[str, ProjectLine] = {}
        self._since: datetime.datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it counted nothing."""
        return not self._projects

    def add(self, told: report.Report) -> None:
        """Count a report that was delivered."""
        self._since = min(self._since or told.since, told.since)
        for each in told.projects:
            self._totals += each.totals
            self._projects.add(each.project_id)
            if each.failed:
                self._add_failures(each)

    def _add_failures(self, told: report.ProjectReport) -> None:
        known = self._lines.get(told.project_id)
        self._lines[told.project_id] = ProjectLine(
            project_id=told.project_id,
            project_name=told.project_name,
            failed=len(told.failed) + (known.failed if known else 0),
            succeeded=len(told.succeeded) + (known.succeeded if known else 0),
        )
        for cause, number in Counter(
            cause_of(each.work.reason) for each in told.failed
        ).items():
            if cause not in self._backups and (
                len(self._backups) >= MOST_CAUSES
            ):
                cause = OTHER_CAUSES
            self._backups[cause] += number
            self._concerned.setdefault(cause, set()).add(told.project_id)

    def sum_up(
        self,
        summary_id: str,
        now: datetime.datetime,
        *,
        cycle: model.Cycle | None,
        topics: Mapping[report.Topic, int],
        hands: Iterable[str],
    ) -> Summary:
        """All that was counted, with what there is to say besides."""
        return Summary(
            id=summary_id,
            created_at=now,
            since=self._since or now,
            projects=len(self._projects),
            totals=self._totals,
            causes=tuple(
                Cause(
                    words=cause,
                    backups=number,
                    projects=len(self._concerned[cause]),
                )
                for cause, number in sorted(
                    self._backups.items(), key=lambda each: (-each[1], each[0])
                )
            ),
            failing=tuple(
                sorted(
                    self._lines.values(),
                    key=lambda line: (-line.failed, line.project_id),
                )
            ),
            cycle=cycle,
            topics=dict(topics),
            hands=tuple(hands),
        )
