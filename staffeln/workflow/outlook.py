# SPDX-License-Identifier: Apache-2.0
"""What retention would do now: read from the database and the cloud.

The dry run stops here; :mod:`staffeln.workflow.retain` writes what follows
from it. Volumes are read in pages, so that memory does not grow with the
number of backups.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from staffeln import ports
from staffeln.domain import deletion, errors, model, retention, task
from staffeln.workflow.settings import Settings
from staffeln.workflow.unlisted import UnlistedServers

LOG = logging.getLogger(__name__)

PAGE = 500
"""Volumes, or rows, that are read at a time."""

EXPIRED_AT_ONCE = 100_000
"""Expired backups that are looked at to find their volumes."""

MOST_WRITTEN = 2000
"""Rows that are written at once: until they are, nobody takes office."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of one volume's backups."""

    volume_id: str
    verdicts: tuple[deletion.Verdict, ...]
    """Newest first within each chain."""
    removing: Mapping[str, task.Task]
    """Live delete tasks, by the backup's id."""

    @property
    def to_delete(self) -> list[deletion.Verdict]:
        """What is to be deleted and has no task for it yet."""
        return [
            each
            for each in self.verdicts
            if each.what is deletion.What.DELETE
            and each.backup.id not in self.removing
        ]

    @property
    def goes(self) -> int:
        """How many are to be deleted and have no task for it yet."""
        return len(self.to_delete)

    @property
    def to_cancel(self) -> list[task.Task]:
        """Tasks that nobody began, whose backup is to be kept after all."""
        kept = {
            each.backup.id
            for each in self.verdicts
            if each.what is deletion.What.KEEP
        }
        return [
            work
            for backup_id, work in self.removing.items()
            if backup_id in kept
            and work.state is task.State.PLANNED
            and work.cause is task.Cause.EXPIRED
        ]


class Outlook:
    """Retention as it looks at one moment, after one harvest."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        inventory: model.Inventory,
        now: datetime.datetime,
        known_gone: set[str] | None = None,
    ) -> None:
        """:param known_gone: servers that this process has proved gone."""
        self._store = store
        self._cloud = cloud
        self._policy = settings.retention
        self.inventory = inventory
        self.now = now
        self._unlisted = UnlistedServers(
            store, cloud, settings, inventory, now, known_gone
        )
        self._projects: Mapping[str, bool] | None = None
        self._spared: dict[str, str] = {}
        self._selected = inventory.still_selected.union(
            each.volume.id for each in inventory.candidates
        )

    # -- what governs ------------------------------------------------------

    def ask_for_servers(self) -> int:
        """Ask for servers that an expiry depends on and no list showed.

        :returns: how many were asked for.
        """
        return self._unlisted.ask_for_all()

    def _reading(self, kept: model.Governance) -> retention.Reading | None:
        found = retention.reading_of(
            kept, self.inventory, self._policy.retention_time
        )
        if found is None:
            found = self._unlisted.reading(kept.server_id)
        if found is retention.GONE and kept.retention_known:
            # What it said last stays in force.
            return None
        return found

    def unsettled(self) -> Iterator[list[model.Backup]]:
        """Backups whose governance changes, as they are to be written.

        By an incomplete harvest none gets an earlier expiry: one that was
        not read may share the volume, and say otherwise.
        """
        after = ""
        while True:
            page = self._store.governances(after, PAGE)
            if not page:
                return
            after = page[-1].volume_id
            volume_ids = {
                each.volume_id for each in page if not self._is_settled(each)
            }
            changed = [
                governed
                for rows in self._store.backups_of_volumes(volume_ids).values()
                for row in rows
                if (governed := self._governed(row)) != row
                and (self.inventory.complete or not _is_sooner(governed, row))
            ]
            for start in range(0, len(changed), MOST_WRITTEN):
                yield changed[start : start + MOST_WRITTEN]

    def _is_settled(self, kept: model.Governance) -> bool:
        return self._rule(kept).settled

    def _rule(self, kept: model.Governance) -> retention.Ruling:
        return retention.rule(kept, self._reading(kept), self._policy)

    def _all_governed(
        self, rows: Iterable[model.Backup]
    ) -> list[model.Backup]:
        """The rows of a volume, brought up to date.

        Most are, and are not looked at one by one; but those that could go
        are, by the rules of now.
        """
        rulings: dict[tuple[Any, ...], retention.Ruling] = {}
        found = []
        for row in rows:
            kept = _what_governs(row)
            ruling = rulings.get(kept)
            if ruling is None:
                ruling = rulings[kept] = self._rule(row.governance)
            could_go = row.expires_at is None or row.expires_at <= self.now
            stays = ruling.settled and not could_go
            if not stays and not retention.is_as_ruled(row, ruling):
                row = self._governed(row)
            found.append(row)
        return found

    def _governed(self, row: model.Backup) -> model.Backup:
        return retention.governed(
            row, self._reading(row.governance), self._policy, self.now
        )

    # -- what goes ---------------------------------------------------------

    def due(self) -> Iterator[list[str]]:
        """Volumes with anything expired, or a task for it; each once."""
        seen: set[str] = set()
        yield from _pages(self._store.expiring_volumes(), seen)
        for page in self._store.expired_volumes(self.now, EXPIRED_AT_ONCE):
            yield from _pages(page, seen)

    def all_volumes(self) -> Iterator[list[str]]:
        """All volumes that have a backup."""
        after = ""
        while page := self._store.governances(after, PAGE):
            after = page[-1].volume_id
            yield sorted({each.volume_id for each in page})

    def judge(self, volume_ids: Iterable[str]) -> list[Judged]:
        """Decide for some volumes."""
        volumes = {
            volume_id: self._all_governed(rows)
            for volume_id, rows in self._store.backups_of_volumes(
                list(volume_ids)
            ).items()
        }
        slots = [task.backup_slot(volume_id) for volume_id in volumes]
        slots += [
            task.delete_slot(row.id)
            for rows in volumes.values()
            for row in rows
        ]
        growing: dict[str, set[str]] = {}
        removing: dict[str, dict[str, task.Task]] = {}
        for work in self._store.live_tasks(slots):
            if work.kind is task.Kind.DELETE:
                removing.setdefault(work.volume_id, {})[
                    work.backup_id or ""
                ] = work
            elif task.may_build(work):
                growing.setdefault(work.volume_id, set()).add(work.project_id)
        return [
            Judged(
                volume_id=volume_id,
                verdicts=tuple(
                    deletion.judge(
                        rows,
                        deletion.Circumstances(
                            selected=volume_id in self._selected,
                            growing=frozenset(growing.get(volume_id, ())),
                            spared=self._sparing(rows),
                            leaving=_leaving(removing.get(volume_id, {})),
                        ),
                        self._policy,
                        self.now,
                    )
                ),
                removing=removing.get(volume_id, {}),
            )
            for volume_id, rows in sorted(volumes.items())
        ]

    def _sparing(self, rows: Iterable[model.Backup]) -> dict[str, str]:
        """Why backups of these rows' projects do not expire, if not."""
        expired = {
            row.project_id
            for row in rows
            if row.expires_at is not None and row.expires_at <= self.now
        }
        for project_id in expired - self._spared.keys():
            self._spared[project_id] = self._why_spared(project_id)
        return {
            project_id: why
            for project_id in expired
            if (why := self._spared[project_id])
        }

    def _why_spared(self, project_id: str) -> str:
        """Why a project's backups do not expire; empty: they do.

        A deleted project keeps nobody's backups; one that is disabled may
        be enabled again.
        """
        try:
            if self._projects is None:
                self._projects = self._cloud.projects()
            enabled = self._projects.get(project_id)
            if enabled is None:
                enabled = self._cloud.project(project_id)
        except errors.NotFoundError:
            return ""
        except errors.CloudError as error:
            LOG.warning(
                "Retention: project %s not read: %s", project_id, error
            )
            return f"project {project_id} could not be read"
        return "" if enabled else f"project {project_id} is disabled"


_what_governs = operator.attrgetter(
    *(each.name for each in dataclasses.fields(model.Governance))
)
"""Of a backup: equal where all of it is, and quicker than a Governance."""


def _leaving(removing: Mapping[str, task.Task]) -> frozenset[str]:
    """Backups that Cinder may be deleting, or have deleted, by now."""
    return frozenset(
        backup_id
        for backup_id, work in removing.items()
        if work.attempt or work.state is not task.State.PLANNED
    )


def _is_sooner(governed: model.Backup, row: model.Backup) -> bool:
    if governed.expires_at is None or row.expires_at is None:
        return False
    return governed.expires_at < row.expires_at


def _pages(volume_ids: Iterable[str], seen: set[str]) -> Iterator[list[str]]:
    new = sorted(set(volume_ids) - seen)
    seen.update(new)
    for start in range(0, len(new), PAGE):
        yield new[start : start + PAGE]
