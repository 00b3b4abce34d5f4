# SPDX-License-Identifier: Apache-2.0
"""The store on SQL: an adapter of :class:`staffeln.ports.Store`.

Every method is one transaction. Nothing relies on locks that a Galera
cluster would not keep between nodes: every write compares and sets, and
looks at the row count.
"""

from __future__ import annotations

import datetime
import itertools
import logging
from collections.abc import Collection, Sequence
from functools import partial

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import (
    backup_rows,
    brakes,
    changes,
    claims,
    clock,
    counting,
    governing,
    history,
    listing,
    planned,
    registry,
    retention,
)
from staffeln.db.report_store import ReportStore
from staffeln.db.retention_store import RetentionStore
from staffeln.db.session import Database, OutrunError
from staffeln.domain import census, model, queue, task

LOG = logging.getLogger(__name__)

CLAIMS_TRIED = 5
"""How often a claim looks again when others took all that it saw."""


class SqlStore(RetentionStore, ReportStore):
    """The database of one deployment."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._free_seats = claims.FreeSeats()

    # -- the deployment ----------------------------------------------------

    def deployment(self) -> model.Deployment:
        """:raises SchemaError: the database is not a whole deployment."""
        return self._read(registry.deployment)

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        """Bind the database if nobody did before."""
        self._write(partial(registry.bind_cloud, identity=identity))

    def rebind_cloud(self, identity: model.CloudIdentity) -> None:
        """Bind the database to another cloud than it was bound to."""
        self._write(partial(registry.rebind_cloud, identity=identity))

    # -- conductors --------------------------------------------------------

    def register_conductor(
        self, conductor_id: str, host: str, pid: int, backend: str
    ) -> None:
        """Write the row of a conductor that starts."""
        self._write(
            lambda connection: registry.register(
                connection, conductor_id, host, pid, backend
            )
        )

    def heartbeat(self, conductor_id: str) -> bool:
        """Say that a conductor lives; False: its row is gone."""
        return self._write(partial(registry.beat, conductor_id=conductor_id))

    def unregister_conductor(
        self, conductor_id: str, seen: datetime.datetime | None = None
    ) -> bool:
        """Remove the row of a conductor, if it was silent since then."""
        return self._write(
            partial(registry.unregister, conductor_id=conductor_id, seen=seen)
        )

    def conductors(self) -> list[ports.Conductor]:
        """All conductors with a row."""
        return self._read(registry.conductors)

    # -- the scheduler -----------------------------------------------------

    def take_office(self, conductor_id: str) -> int:
        """Begin a term."""
        return self._write(
            partial(registry.take_office, conductor_id=conductor_id)
        )

    def write_plan(
        self, term: int, plan: ports.PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        """Write what was planned, fenced; may be called again with it."""

        def work(connection: sa.Connection) -> list[task.Task]:
            registry.fence(connection, term)
            cancelled = changes.cancel(
                connection,
                listing.tasks_by_id(connection, plan.cancelled),
                plan.cancel_reason,
                clock.now(connection),
                conductor_id,
                term,
            )
            planned.postpone(connection, plan.postponed, plan.postponed_until)
            backup_rows.put_records(connection, plan.records)
            now = clock.now(connection)
            for backup in plan.adopted:
                backup_rows.insert(connection, backup, now)
            governing.govern(connection, plan.governed, now)
            retention.note_vanished(connection, plan.vanished, now)
            if plan.selected_volumes is not None:
                registry.note_selected(connection, plan.selected_volumes)
            added = planned.add_tasks(
                connection, plan.tasks, conductor_id, term
            )
            return [*added, *cancelled]

        return self._write(work)

    def terms(self, limit: int) -> list[ports.Term]:
        """The last terms, the present one first."""
        return self._read(partial(registry.terms, limit=limit))

    # -- the brake ---------------------------------------------------------

    def brakes(self) -> list[model.Brake]:
        """What is paused, by kind and project."""
        return self._read(brakes.brakes)

    def pause(self, kind: task.Kind, project_id: str) -> bool:
        """Let nothing of a kind be claimed; False: it was paused already."""
        return self._write(
            partial(brakes.pause, kind=kind, project_id=project_id)
        )

    def resume(self, kind: task.Kind, project_id: str) -> bool:
        """Undo a pause of just the same; False: it was not paused."""

        def work(connection: sa.Connection) -> bool:
            # Asked while its tasks do not count yet.
            front = listing.queued(connection, clock.now(connection)).front
            if not brakes.resume(connection, kind, project_id):
                return False
            if kind is task.Kind.BACKUP and project_id:
                planned.catch_up(connection, project_id, front)
            return True

        return self._write(work)

    # -- what planning reads -----------------------------------------------

    def histories(
        self,
        volume_ids: Collection[str],
        chains_until: datetime.datetime | None = None,
    ) -> dict[str, model.History]:
        """The past of these volumes, a transaction per chunk."""
        found: dict[str, model.History] = {}
        for chunk in history.chunks(volume_ids):
            found.update(
                self._read(
                    partial(
                        history.of_volumes,
                        volume_ids=chunk,
                        chains_until=chains_until,
                    )
                )
            )
        return found

    def queued(self, now: datetime.datetime) -> queue.Queue:
        """How far the queue of backups that could be claimed reaches."""
        return self._read(partial(listing.queued, now=now))

    def planned_backups(self) -> dict[str, str]:
        """Ids of all planned backup tasks, by volume id."""
        return self._read(listing.planned_backups)

    def unwanted_backups(
        self, after: str = "", limit: int | None = None
    ) -> list[model.Backup]:
        """Unwanted backups without a live delete task, a page of them."""
        return self._read(
            partial(retention.unwanted, after=after, limit=limit)
        )

    def volumes_with_backups(self, after: str, limit: int) -> list[str]:
        """Ids of the next volumes that have a backup's row."""
        return self._read(
            partial(listing.volumes_with_backups, after=after, limit=limit)
        )

    # -- for those who watch -----------------------------------------------

    def census(self, most_projects: int) -> census.Census:
        """Count all that there is."""
        return self._read(
            partial(counting.census_of, most_projects=most_projects)
        )

    # -- tasks -------------------------------------------------------------

    def claimable(self, kind: task.Kind, now: datetime.datetime) -> bool:
        """Whether any planned task waits whose time has come."""
        return self._read(partial(claims.claimable, kind=kind, now=now))

    def claim(
        self,
        conductor_id: str,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
        throttle: ports.Throttle = ports.NO_THROTTLE,
    ) -> list[task.Task]:
        """Claim planned tasks whose time has come, in order of rank."""
        lost = itertools.count()

        def work(connection: sa.Connection) -> tuple[bool, list[task.Task]]:
            return claims.claim(
                connection,
                conductor_id,
                kind,
                limit,
                now,
                throttle,
                lost=next(lost),
                free=self._free_seats,
            )

        try:
            for _ in range(CLAIMS_TRIED):
                seen, claimed = self._write(work)
                if claimed or not seen:
                    return claimed
        except OutrunError as error:
            LOG.debug("Nothing is claimed: %s", error)
        return []

    def overdue(self) -> list[task.Task]:
        """Ended tasks whose seat is still taken: Cinder went on."""
        return self._read(claims.overdue)

    def free_seats(self, task_ids: Collection[str]) -> None:
        """Cinder is done with what these ended tasks had begun."""
        for chunk in history.chunks(task_ids):
            self._write(partial(claims.free_seats, task_ids=chunk))

    def advance(
        self, moves: Sequence[ports.Change], conductor_id: str
    ) -> list[task.Task]:
        """Carry moves out, each by compare and set."""
        return self._write(
            lambda connection: changes.advance(connection, moves, conductor_id)
        )

    def holders(self) -> set[str]:
        """Ids of all conductors that hold a task."""
        return self._read(listing.holders)

    def take_over(
        self,
        tasks: Sequence[task.Task],
        conductor_id: str,
        now: datetime.datetime,
        reason: str,
    ) -> list[task.Task]:
        """Become the holder of started tasks of a dead conductor."""
        return self.advance(
            [
                ports.Change(
                    before=before,
                    after=task.hand_over(before, conductor_id, now, reason),
                )
                for before in tasks
            ],
            conductor_id,
        )

    def cancel_over_quota(
        self,
        project_id: str,
        size: int,
        reason: str,
        now: datetime.datetime,
        conductor_id: str,
    ) -> int:
        """Cancel a project's planned backups of volumes of that size on.

        A transaction for so many, so that none holds the others up.
        """
        total = 0
        while True:
            count = self._write(
                lambda connection: len(
                    changes.cancel(
                        connection,
                        listing.over_quota(
                            connection, project_id, size, history.CHUNK
                        ),
                        reason,
                        now,
                        conductor_id,
                    )
                )
            )
            total += count
            if count < history.CHUNK:
                return total

    def get_task(self, task_id: str) -> task.Task | None:
        """One task."""
        found = self._read(partial(listing.tasks_by_id, task_ids=[task_id]))
        return found[0] if found else None

    def tasks(
        self,
        *,
        kind: task.Kind | None = None,
        states: Collection[task.State] | None = None,
        claimed_by: Collection[str] | None = None,
        project_id: str | None = None,
        volume_id: str | None = None,
        limit: int | None = None,
    ) -> list[task.Task]:
        """Tasks that fit all that is given, newest first."""
        return self._read(
            partial(
                listing.tasks,
                kind=kind,
                states=states,
                claimed_by=claimed_by,
                project_id=project_id,
                volume_id=volume_id,
                limit=limit,
            )
        )

    def events(self, task_id: str) -> list[task.Event]:
        """The story of a task, oldest first."""
        return self._read(partial(listing.events, task_id=task_id))

    # -- backups and volumes -----------------------------------------------

    def get_backup(self, backup_id: str) -> model.Backup | None:
        """The row of one managed backup."""
        found = self.backups(ids=[backup_id])
        return found[0] if found else None

    def backups(
        self,
        *,
        ids: Collection[str] | None = None,
        states: Collection[model.BackupState] | None = None,
        project_id: str | None = None,
        volume_id: str | None = None,
        limit: int | None = None,
    ) -> list[model.Backup]:
        """Rows that fit all that is given, newest first."""
        return self._read(
            partial(
                listing.backups,
                ids=ids,
                states=states,
                project_id=project_id,
                volume_id=volume_id,
                limit=limit,
            )
        )

    def note_missing(
        self, backup: model.Backup, since: datetime.datetime | None
    ) -> bool:
        """Note since when Cinder answers 404; False: the row has moved."""
        return self._write(
            lambda connection: backup_rows.note_missing(
                connection, backup, since, clock.now(connection)
            )
        )

    def note_broken(
        self,
        backups: Sequence[model.Backup],
        since: datetime.datetime | None,
    ) -> None:
        """Note since when Cinder shows backups broken; None: whole."""
        self._write(
            lambda connection: backup_rows.note_broken(
                connection, backups, since, clock.now(connection)
            )
        )

    def made_since(self, when: datetime.datetime) -> list[datetime.datetime]:
        """Times at which managed backups were made, from ``when`` on."""
        return self._read(partial(listing.made_since, when=when))

    def keep_backup(self, backup: model.Backup) -> bool:
        """Insert a row; False: there is one with its id already."""
        return self._write(
            lambda connection: backup_rows.insert(
                connection, backup, clock.now(connection)
            )
        )

    def volume_record(self, volume_id: str) -> model.VolumeRecord | None:
        """What is remembered of a volume."""
        return self._read(partial(listing.volume_record, volume_id=volume_id))

    def volume_records(
        self, volume_ids: Collection[str]
    ) -> dict[str, model.VolumeRecord]:
        """What is remembered of these volumes."""
        return self._read(
            partial(listing.volume_records, volume_ids=volume_ids)
        )
