# SPDX-License-Identifier: Apache-2.0
"""The database, as the workflow needs it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from staffeln.domain import census, model, queue, report, task
from staffeln.ports.records import (
    NO_THROTTLE,
    Change,
    Conductor,
    DueReport,
    PlanRecord,
    ReportRecord,
    Term,
    Throttle,
)


class Store(Protocol):
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

    # what retention reads

    def governances(self, after: str, limit: int) -> list[model.Governance]:
        """What governs the backups of the next volumes, each sort once.

        :param after: the id of the last volume that was read.
        :param limit: of how many volumes; all sorts of each are returned.
        """

    def shortened(
        self, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        """Graces, and volumes with a backup that waits for one; in order.

        Each pair comes once.

        :param after: the last pair of the page before; of empty texts: the
            first page.
        """

    def backups_of_volumes(
        self, volume_ids: Collection[str]
    ) -> dict[str, list[model.Backup]]:
        """All rows of these volumes, vanished ones too."""

    def expired_volumes(
        self, now: datetime.datetime, at_once: int
    ) -> Iterator[list[str]]:
        """Ids of the volumes with available backups whose expiry has come.

        Page by page, the longest expired first; in a page each is named
        once, in several pages it may be again.

        :param at_once: how many backups are looked at for a page.
        """

    def count_expired(self, now: datetime.datetime) -> int:
        """How many available backups' expiry has come."""

    def undated(
        self, created_before: datetime.datetime, after: str, limit: int
    ) -> list[model.Backup]:
        """Available backups of servers that were never read, by id.

        :param after: the id of the last one of the page before.
        """

    def missing(self, since_before: datetime.datetime) -> list[model.Backup]:
        """Available rows for which Cinder first answered 404 before that."""

    def broken(
        self, after: model.Backup | None, limit: int
    ) -> list[model.Backup]:
        """Available backups that Cinder shows broken, by since when.

        :param after: the last one of the page before.
        """

    def count_managed(self) -> int:
        """How many managed backups there are, without the vanished."""

    def live_tasks(self, slots: Collection[str]) -> list[task.Task]:
        """The live tasks that hold these slots."""

    def expiring_volumes(self, limit: int | None = None) -> list[str]:
        """Volumes with a planned delete of a backup that expired."""

    def refused_deletes(self, limit: int) -> list[task.Task]:
        """Planned deletes that were tried in vain, by when they began."""

    def release_waiting(self) -> int:
        """Let deletes go on whose dependents are gone; how many.

        What ends a dependent does so in the same transaction; this is for
        those that were planned at that moment.
        """

    def forget_vanished(
        self, term: int, missing_before: datetime.datetime
    ) -> int:
        """Remove rows that are vanished for long; how many.

        :raises OvertakenError: the term is over.
        """

    def breaker(self) -> model.Breaker | None:
        """The round of retention that waits for a yes; None: none does."""

    def trip_breaker(
        self, term: int, would: int, total: int, seen: model.Breaker | None
    ) -> None:
        """Note that a round did nothing; a yes to another size is void.

        :param seen: what waited when the round decided so; a yes that came
            meanwhile stays, for the next round to look at.
        :raises OvertakenError: the term is over.
        """

    def reset_breaker(self, term: int) -> None:
        """Note that no round waits.

        :raises OvertakenError: the term is over.
        """

    def confirm_breaker(self) -> model.Breaker | None:
        """Agree to the round that waits; None: none does."""

    # reconciliation

    def made_between(
        self,
        first: datetime.datetime,
        last: datetime.datetime,
        after: model.Backup | None,
        limit: int,
    ) -> list[model.Backup]:
        """Rows of backups made after ``first`` until ``last``, newest first.

        :param after: the last one of the page before.
        """

    def reconciled_at(self) -> datetime.datetime | None:
        """When rows and Cinder were last held against each other."""

    def note_reconciled(self, term: int, when: datetime.datetime) -> None:
        """Note that they were.

        :raises OvertakenError: the term is over.
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

    # reports

    def due_reports(
        self, now: datetime.datetime, period: datetime.timedelta
    ) -> list[DueReport]:
        """Projects whose oldest unreported task was created so long ago.

        Only tasks that have ended count. The oldest first.
        """

    def open_report(
        self,
        term: int,
        report_id: str,
        audience: report.Audience,
        project_ids: Collection[str],
        now: datetime.datetime,
    ) -> int:
        """Make a report of all tasks of these that ended and have none.

        From now on it alone tells of them. It is about to be sent.

        :param project_ids: of one project, or of several.
        :returns: how many tasks; 0: there is none, and no report.
        :raises OvertakenError: the term is over.
        """

    def reports_not_done(self) -> list[ReportRecord]:
        """Reports not delivered, or with tasks left; the oldest first."""

    def attempt_report(
        self, term: int, report_id: str, now: datetime.datetime
    ) -> bool:
        """Note that a report is about to be sent again: one attempt more.

        :returns: False: it was delivered, or is gone: it must not be.
        :raises OvertakenError: the term is over.
        """

    def note_refused(self, term: int, report_id: str) -> None:
        """Note that the last attempt surely reached nobody: it is not counted.

        :raises OvertakenError: the term is over.
        """

    def finished(self, report_id: str) -> Iterator[report.Finished]:
        """The tasks that a report tells of, with what is known of each
        backup; by task id.
        """

    def dissolve_report(self, term: int, report_id: str) -> bool:
        """Let other reports tell of its tasks: nobody got this one.

        :returns: False: it was delivered, or is gone.
        :raises OvertakenError: the term is over.
        """

    def note_delivered(self, report_id: str, receiver: str) -> bool:
        """Note who got a report, in words.

        Not fenced: it is true, whoever is the scheduler by now, and what
        is noted is not sent again.

        :returns: False: it is gone, or was delivered before.
        """

    def purge_report(self, term: int, report_id: str) -> None:
        """Remove the tasks of a delivered report, with their stories.

        Some at a time. A task that still holds a seat stays until a later
        call: Cinder goes on with what it began.

        :raises OvertakenError: the term is over.
        """

    def forget_reports(
        self, term: int, purged_until: datetime.datetime
    ) -> int:
        """Remove rows of reports that are done with for long; how many.

        :raises OvertakenError: the term is over.
        """

    # how fresh all is

    def note_cycle(self, term: int, cycle: model.Cycle) -> None:
        """Keep what a cycle came to; one that is not complete says nothing.

        :raises OvertakenError: the term is over.
        """

    def note_retention(self, term: int, when: datetime.datetime) -> None:
        """Keep when a round of retention ended that nothing held back.

        :raises OvertakenError: the term is over.
        """

    def freshness(self) -> model.Freshness:
        """What the last complete rounds left."""
