# SPDX-License-Identifier: Apache-2.0
"""Backups: the chains of the shape, and those that are made and deleted."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping

from benchmarks.cloud.scenery import Shape


@dataclasses.dataclass(slots=True)
class Backup:
    """A backup as Cinder knows it."""

    number: int
    id: str
    project_id: str
    user_id: str
    volume_id: str
    name: str
    status: str
    size: int
    incremental: bool
    parent: int | None
    """The number of what it builds on."""
    created_at: datetime.datetime
    updated_at: datetime.datetime
    metadata: Mapping[str, str]
    fail_reason: str | None = None
    ends_at: float = float("inf")
    """When what goes on with it ends, in seconds since the epoch."""
    deletes: int = 0
    """How often its deletion was begun."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which backups a list is of; None: all."""

    status: str | None = None
    volume_id: str | None = None
    project_id: str | None = None
    parent: int | None = None

    def fits(self, backup: Backup) -> bool:
        """Whether one of them is such."""
        return (
            self.status in (None, backup.status)
            and self.volume_id in (None, backup.volume_id)
            and self.project_id in (None, backup.project_id)
            and self.parent in (None, backup.parent)
        )


ALL = Wanted()


class Backups:
    """All backups; a higher number is younger.

    Those of the shape are made anew whenever they are looked at, until
    something happens to them.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._kept: dict[int, Backup] = {}
        self._gone: set[int] = set()
        self._by: dict[tuple[str, object], set[int]] = collections.defaultdict(
            set
        )
        """Numbers of those that are kept, by a field and its value."""
        self.end = shape.completed
        """The next number."""
        for number in range(shape.completed, shape.existing):
            self.end += 1
            self.keep(self._of_shape(number))

    def get(self, backup_id: str) -> Backup | None:
        """The backup with an id."""
        number = self._shape.number_of("backup", backup_id)
        return None if number is None else self.by_number(number)

    def by_number(self, number: int) -> Backup | None:
        """The backup with a number."""
        if number >= self.end or number in self._gone:
            return None
        return self._kept.get(number) or self._of_shape(number)

    def new_number(self) -> int:
        """The number of a backup that begins."""
        self.end += 1
        return self.end - 1

    def keep(self, backup: Backup) -> None:
        """Remember a backup from now on, by what it is now."""
        self.forget(backup.number)
        self._gone.discard(backup.number)
        self._kept[backup.number] = backup
        for key in _keys(backup):
            self._by[key].add(backup.number)

    def change(self, backup: Backup, status: str) -> None:
        """Give a backup another status, and remember it."""
        self.forget(backup.number)
        backup.status = status
        self.keep(backup)

    def forget(self, number: int) -> None:
        """Let nothing find it that is kept of it."""
        known = self._kept.pop(number, None)
        if known is not None:
            for key in _keys(known):
                self._by[key].discard(number)

    def remove(self, backup: Backup) -> None:
        """Let one be gone."""
        self.forget(backup.number)
        self._gone.add(backup.number)

    def find(
        self, wanted: Wanted, below: int | None = None, offset: int = 0
    ) -> Iterator[Backup]:
        """The backups of a list, youngest first.

        :param below: only those with a lower number.
        :param offset: so many are passed over.
        """
        end = self.end if below is None else below
        numbers = iter(self._numbers(wanted, end))
        if wanted == ALL:
            # Nothing need be made to be passed over.
            numbers = (each for each in numbers if each not in self._gone)
            numbers = itertools.islice(numbers, offset, None)
            offset = 0
        found = (
            backup
            for number in numbers
            if (backup := self.by_number(number)) is not None
            and wanted.fits(backup)
        )
        return itertools.islice(found, offset, None)

    def count(self, wanted: Wanted) -> int:
        """How many a list has."""
        if wanted == ALL:
            return self.end - len(self._gone)
        if wanted == Wanted(status="available"):
            untouched = self._shape.completed - sum(
                number < self._shape.completed
                for numbers in (self._kept, self._gone)
                for number in numbers
            )
            return untouched + len(self._by["status", "available"])
        return sum(1 for _ in self.find(wanted))

    def used(self, project_id: str) -> tuple[int, int]:
        """Backups of a project, and GiB in them, as its quota counts."""
        kept = self._by["project_id", project_id]
        old = [
            number
            for number in self._of_project(project_id)
            if number not in self._gone and number not in self._kept
        ]
        return (
            len(kept) + len(old),
            sum(self._kept[number].size for number in kept)
            + len(old) * self._shape.volume_size,
        )

    # -- which numbers -------------------------------------------------------

    def _numbers(self, wanted: Wanted, end: int) -> Iterable[int]:
        """Numbers among which all that are wanted are, in falling order."""
        if wanted.parent is not None:
            found = self._by["parent", wanted.parent] | {
                wanted.parent + len(self._shape.selected_volumes)
            }
        elif wanted.volume_id is not None:
            volume = self._shape.number_of("volume", wanted.volume_id)
            found = self._by["volume_id", wanted.volume_id] | set(
                () if volume is None else self._shape.backups_of(volume)
            )
        elif wanted.status not in (None, "available"):
            found = self._by["status", wanted.status]
        elif wanted.project_id is not None:
            found = self._by["project_id", wanted.project_id] | set(
                self._of_project(wanted.project_id)
            )
        else:
            return range(end - 1, -1, -1)
        return sorted((each for each in found if each < end), reverse=True)

    @functools.cached_property
    def _places(self) -> Mapping[int, list[int]]:
        """Places of the selected volumes, by project."""
        found: dict[int, list[int]] = collections.defaultdict(list)
        for place, volume in enumerate(self._shape.selected_volumes):
            found[self._shape.project_of_volume(volume)].append(place)
        return dict(found)

    def _of_project(self, project_id: str) -> Iterator[int]:
        """Numbers of the completed ones of the shape in a project."""
        project = self._shape.number_of("project", project_id)
        count = len(self._shape.selected_volumes)
        for place in self._places.get(-1 if project is None else project, ()):
            yield from range(place, self._shape.completed, count)

    def _of_shape(self, number: int) -> Backup:
        shape = self._shape
        known = shape.backup(number)
        done = number < shape.completed
        return Backup(
            number,
            shape.backup_id(number),
            shape.project_id(shape.project_of_volume(known.volume)),
            shape.service_user_id,
            shape.volume_id(known.volume),
            f"backup-{number:07}",
            "available" if done else "creating",
            shape.volume_size,
            known.incremental,
            known.parent,
            known.created_at,
            known.created_at + datetime.timedelta(minutes=5 * done),
            shape.backup_metadata(number),
        )


def _keys(backup: Backup) -> tuple[tuple[str, object], ...]:
    return (
        ("status", backup.status),
        ("project_id", backup.project_id),
        ("volume_id", backup.volume_id),
        ("parent", backup.parent),
    )
