# SPDX-License-Identifier: Apache-2.0
"""The database, as the workflow needs it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import Protocol

from staffeln.domain import census, model, queue, task
from staffeln.ports.records import (
    NO_THROTTLE,
    Change,
    Conductor,
    PlanRecord,
    Term,
    Throttle,
)
from staffeln.ports.report_store import ReportStore
from staffeln.ports.retention_store import RetentionStore


class Store(RetentionStore, ReportStore, Protocol):
    """The database. All its times come from its own clock, UTC.

    Every call may raise :class:`~staffeln.domain.errors.StoreError`.
    """

    def now(self) -> datetime.datetime:
        """The database's clock: the one ``now`` of a round."""

    # the deployment

    def deployment(self) -> model.Deployment:
        """The one deployment that this database is."""

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        """Bind an unbound database to a cloud; a bound one stays as it is.

        The caller compares what :meth:`deployment` says afterwards.
        """

    def rebind_cloud(self, identity: model.CloudIdentity) -> None:
        """Bind the database to a cloud, whatever it was bound to."""

    # conductors

    def register_conductor(
        self, conductor_id: str, host: str, pid: int, backend: str
    ) -> None:
        """Write the row of a conductor that starts."""

    def heartbeat(self, conductor_id: str) -> bool:
        """Say that a conductor lives; False: its row is gone."""

    def unregister_conductor(
        self, conductor_id: str, seen: datetime.datetime | None = None
    ) -> bool:
        """Remove the row of a conductor that stops or is dead.

        :param seen: its last sign of life: it stays if there was another.
        :returns: False: there is no such row.
        """

    def conductors(self) -> list[Conductor]:
        """All conductors with a row."""

    # the scheduler

    def take_office(self, conductor_id: str) -> int:
        """Begin a term; returns its number, the fencing token."""

    def terms(self, limit: int) -> list[Term]:
        """The last terms, the present one first."""

    def write_plan(
        self, term: int, plan: PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        """Write what was planned, in one fenced transaction.

        A task whose slot is taken is left out; so is the cancellation of
        a task that is not planned any more. A backup that may build on
        others is left out while expired ones of its volume go, and the
        other way round.

        :returns: the new tasks that were written and the tasks that were
            cancelled, as they stand now.
        :raises OvertakenError: the term is over; nothing was written.
        """

    # the brake

    def brakes(self) -> list[model.Brake]:
        """What is paused, by kind and project."""

    def pause(self, kind: task.Kind, project_id: str) -> bool:
        """Let nothing of a kind be claimed; False: it was paused already.

        :param project_id: empty: of all projects.
        """

    def resume(self, kind: task.Kind, project_id: str) -> bool:
        """Undo :meth:`pause` of just the same; False: it was not paused."""

    # what planning reads

    def histories(
        self,
        volume_ids: Collection[str],
        chains_until: datetime.datetime | None = None,
    ) -> dict[str, model.History]:
        """The past of these volumes; those without one may be left out.

        :param chains_until: volumes without a live task whose last success
            was later may come without their chain; None: none may.
        """

    def queued(self, now: datetime.datetime) -> queue.Queue:
        """How far the queue of backups that could be claimed reaches."""

    def planned_backups(self) -> dict[str, str]:
        """Ids of all planned backup tasks, by volume id."""

    def unwanted_backups(
        self, after: str = "", limit: int | None = None
    ) -> list[model.Backup]:
        """Rows that are unwanted and have no live delete task, by id.

        Without those whose task is being looked up: it may adopt them.

        :param after: the id of the last one of the page before.
        """

    def volumes_with_backups(self, after: str, limit: int) -> list[str]:
        """Ids of volumes that any backup has a row of, in their order.

        :param after: the last id of the page before.
        """

    # tasks

    def claimable(self, kind: task.Kind, now: datetime.datetime) -> bool:
        """Whether any planned task waits whose time has come."""

    def claim(
        self,
        conductor_id: str,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
        throttle: Throttle = NO_THROTTLE,
    ) -> list[task.Task]:
        """Claim planned tasks whose time has come, in order of rank.

        What is paused is left. Compare and set: of several conductors that
        claim at once each task goes to one, and so does each seat.

        What waits for a dependent to be gone is left as well.

        :param throttle: how many of the kind may run at once, with those
            that run already.
        """

    def overdue(self) -> list[task.Task]:
        """Ended tasks whose seat is still taken: Cinder went on."""

    def free_seats(self, task_ids: Collection[str]) -> None:
        """Cinder is done with what these ended tasks had begun."""

    def advance(
        self, changes: Sequence[Change], conductor_id: str
    ) -> list[task.Task]:
        """Carry changes out, each by compare and set, with its event.

        :returns: the tasks that were moved; the others were moved by
            somebody else meanwhile, and nothing of their change is saved.
        """

    def holders(self) -> set[str]:
        """Ids of all conductors that hold a task."""

    def take_over(
        self,
        tasks: Sequence[task.Task],
        conductor_id: str,
        now: datetime.datetime,
        reason: str,
    ) -> list[task.Task]:
        """Become the holder of started tasks of a dead conductor.

        The state stays; an event tells. Compare and set on the holder.
        """

    def cancel_over_quota(
        self,
        project_id: str,
        size: int,
        reason: str,
        now: datetime.datetime,
        conductor_id: str,
    ) -> int:
        """Cancel a project's planned backups of volumes of that size on.

        :param size: GiB; volumes as large or larger are skipped.
        :returns: how many were cancelled.
        """

    def get_task(self, task_id: str) -> task.Task | None:
        """One task."""

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

    def events(self, task_id: str) -> list[task.Event]:
        """The story of a task, oldest first."""

    # backups and volumes

    def get_backup(self, backup_id: str) -> model.Backup | None:
        """The row of one managed backup."""

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

    def note_missing(
        self, backup: model.Backup, since: datetime.datetime | None
    ) -> bool:
        """Note since when Cinder answers 404 for a backup; None: it is there.

        Compare and set: only if the row's state still is the given one's.
        Nothing else of the row is written.

        :returns: False: the row is gone or has another state by now.
        """

    def note_broken(
        self,
        backups: Sequence[model.Backup],
        since: datetime.datetime | None,
    ) -> None:
        """Note since when Cinder shows backups broken; None: they are whole.

        Only of rows that are available; nothing else of them is written.
        """

    def made_since(self, when: datetime.datetime) -> list[datetime.datetime]:
        """Times at which managed backups were made, from ``when`` on."""

    def keep_backup(self, backup: model.Backup) -> bool:
        """Insert a row for a backup, unless one with its id exists.

        For a backup that was made by an attempt of a task that somebody
        else holds by now: no move of ours can save it.

        :returns: False: there is a row already; it stays as it is.
        """

    def volume_record(self, volume_id: str) -> model.VolumeRecord | None:
        """What is remembered of a volume."""

    def volume_records(
        self, volume_ids: Collection[str]
    ) -> dict[str, model.VolumeRecord]:
        """What is remembered of these; nothing is of some."""

    # for those who watch

    def census(self, most_projects: int) -> census.Census:
        """Count all that there is.

        :param most_projects: how many projects may be named: those with
            the most backups; all others are one.
        """
