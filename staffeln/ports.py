# SPDX-License-Identifier: Apache-2.0
"""The doors of Staffeln: what the workflow needs from the outside.

``workflow`` knows these protocols and never an adapter. Every adapter and
every fake of a port passes the same suite under ``tests/functional``.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import (
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Generic, Protocol, TypeVar

from staffeln.domain import model, queue, task

T = TypeVar("T", covariant=True)


# -- the cloud -------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    total: int | None = None
    """How many the whole list has, where the service tells."""
    problems: tuple[str, ...] = ()
    """Items of this page that cannot be read, a line with the id each."""


class Cloud(Protocol):
    """Keystone, Nova and Cinder as Staffeln sees them.

    Every call may raise :class:`~staffeln.domain.errors.CloudError` in one
    of its kinds. What is transient is retried inside, within
    ``[openstack] retry_timeout``; except that a create call is sent again
    only where the first one was surely not carried out.

    Lists of servers, volumes and backups are those of all projects, in
    the service's own scope. An iterator of pages makes one call each time
    it is advanced, so the error of a page comes from ``next``.
    """

    @property
    def page_size(self) -> int:
        """How many items a list call asks for."""

    def identity(self) -> model.CloudIdentity:
        """Which cloud this is, by the catalogue and the token."""

    def backup_services(self) -> list[model.BackupService]:
        """The cinder-backup services: a call only administrators may make.

        It is the proof of administrator rights: Cinder silently ignores
        ``all_tenants`` for others.

        :raises NotAdministratorError: the service user may not.
        """

    def time(self) -> datetime.datetime:
        """Cinder's clock, by the Date header of an answer of its own.

        :raises MalformedAnswerError: the header is missing or no date.
        """

    def project(self, project_id: str) -> bool:
        """Whether a project of any domain is enabled.

        :raises NotFoundError: 404 in Keystone's own JSON, which names it.
        :raises ForbiddenError: only administrators may ask.
        """

    def projects(self) -> Mapping[str, bool]:
        """Which projects of all domains are enabled, by id: one call.

        Keystone may cut the list off, and what cannot be read is left
        out: what is absent is proved by :meth:`project` alone.

        :raises ForbiddenError: only administrators may ask.
        """

    def server_pages(self) -> Iterator[Page[model.Server]]:
        """All servers of all projects."""

    def server(self, server_id: str) -> model.Server:
        """One server, in whatever status; also what no list shows.

        Soft-deleted ones are in no list; one whose cell is down is not
        readable. Nova answers 404 to those who are no administrators for
        every server of other projects.

        :raises NotFoundError: 404 in Nova's own JSON.
        """

    def volume_pages(self) -> Iterator[Page[model.Volume]]:
        """All volumes of all projects; the first page tells the total."""

    def volume(self, volume_id: str) -> model.Volume:
        """One volume. :raises NotFoundError: Cinder does not know it."""

    def backup_pages(
        self, *, status: str | None = None
    ) -> Iterator[Page[model.CloudBackup]]:
        """Backups of all projects, newest first, of one status or of all."""

    def newest_backup(self, offset: int) -> model.CloudBackup | None:
        """The backup with so many newer ones; None: there are not so many.

        One call, answered by one row.
        """

    def backup(self, backup_id: str) -> model.CloudBackup:
        """One backup. :raises NotFoundError: 404 in Cinder's own JSON."""

    def backups_of_volume(
        self, project_id: str, volume_id: str
    ) -> list[model.CloudBackup]:
        """A volume's backups as its project sees them (project scope).

        :raises NoRoleError: the service user has no role there.
        """

    def create_backup(
        self,
        request: model.BackupRequest,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Ask for a backup in the volume's project; return Cinder's id.

        :param in_time: asked last, when all is ready to be sent; if not,
            nothing is sent.

        :raises NoAnswerError: it may have been made; look before asking
            again.
        :raises NotSentError: it was surely not made; LateError where it
            was too late for it.
        :raises RefusedError: in one of its kinds, Cinder's answer: 400
            InvalidRequestError, 404 NotFoundError (the volume), 413
            OverQuotaError, 401 and 403 ForbiddenError or NoRoleError.
        """

    def delete_backup(self, backup_id: str) -> None:
        """Ask for a backup to be deleted (service scope).

        :raises DependentsError: these backups depend on it.
        :raises InvalidRequestError: its state forbids it, or Cinder knows
            of a dependent that no list shows.
        :raises NotFoundError: unknown, or no backup service is up.
        """


# -- the engine ------------------------------------------------------------


class Engine(Protocol):
    """What makes, follows and removes backups.

    It gets tasks and rows, and returns what the backup system shows; it
    decides nothing and writes nothing.
    """

    def services_up(self) -> int:
        """How many services there are that make backups, enabled and up."""

    def start(
        self,
        work: task.Task,
        deployment_uuid: str,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Send the create call of the task's saved attempt.

        :param in_time: asked last before it is sent; if not, it is not.
        :returns: the id of the backup.
        :raises CloudError: as :meth:`Cloud.create_backup`.
        """

    def find(
        self, work: task.Task, deployment_uuid: str
    ) -> Sequence[model.CloudBackup]:
        """Look for what attempts of the task made, the newest first."""

    def ended(
        self,
        backups: Sequence[model.Backup],
        busy_status: str,
        ours: Sequence[datetime.datetime] = (),
    ) -> Mapping[str, model.CloudBackup | None]:
        """Those of our backups that are not ``busy_status`` any more.

        Read from newest-first pages, the list of what is busy, and one
        call each, in whatever mixture takes the fewest calls.

        :param ours: when all our backups were made, from the oldest of
            these on.
        :returns: by backup id; None where Cinder answered 404 for it.
            Backups that could not be read are left out.
        :raises CloudError: a list could not be read.
        """

    def delete(self, backup: model.Backup) -> None:
        """Ask for a backup to be deleted, as :meth:`Cloud.delete_backup`."""

    def look(self, backup_id: str) -> model.CloudBackup | None:
        """One backup; None: one proof that it is not there.

        :raises NotAdministratorError: a 404 that proves nothing.
        """

    def clock(self) -> datetime.datetime:
        """The time by the backup system's own clock, UTC without a zone."""

    def volume_status(self, volume_id: str) -> str | None:
        """A volume's status; None: Cinder does not know the volume.

        :raises NotAdministratorError: a 404 that proves nothing.
        """


# -- the database ----------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """One worker process; its identity is a uuid per start."""

    id: str
    host: str
    pid: int
    backend: str
    """The coordination backend in use, without secrets."""
    started_at: datetime.datetime
    heartbeat_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One move of one task, with what is saved in the same transaction.

    It is carried out only if the task still is what ``before`` says
    (state, attempt and holder): compare and set, with one event.
    """

    before: task.Task
    after: task.Task
    still_busy: bool = False
    """The task ends, but Cinder goes on: it keeps its seat in the limits."""
    backup: model.Backup | None = None
    """A row to insert, or to bring up to date."""
    forget_backup: str | None = None
    """Id of a row to remove: its backup is proved gone."""
    record: model.VolumeRecord | None = None
    """What to remember of the volume from now on."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What a scheduler writes at the end of planning, in one transaction."""

    tasks: Sequence[task.Task] = ()
    """New tasks: planned, or failed at once."""
    cancelled: Sequence[str] = ()
    """Ids of planned tasks that nobody needs any more."""
    cancel_reason: str = ""
    records: Sequence[model.VolumeRecord] = ()
    governed: Sequence[model.Backup] = ()
    """Backups whose retention changed; nothing else of them is written."""
    adopted: Sequence[model.Backup] = ()
    """Backups of ours that had no row; a row that is there stays."""
    vanished: Sequence[model.Backup] = ()
    """Rows whose backup is proved gone, as they were when it was proved."""
    selected_volumes: int | None = None
    """The count of a complete harvest; None leaves the last one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How many tasks of a kind may run at once, over all conductors.

    A task takes a seat when it is claimed and leaves it when Cinder is done
    with it, however the task itself ended. 0 lifts a limit.
    """

    running: int = 0
    per_project: int = 0


NO_THROTTLE = Throttle()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One holding of the office of scheduler."""

    number: int
    conductor_id: str
    began_at: datetime.datetime


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
        self, volume_ids: Collection[str]
    ) -> dict[str, model.History]:
        """The past of these volumes; those without one may be left out."""

    def queued(self, now: datetime.datetime) -> queue.Queue:
        """How far the queue of backups that could be claimed reaches."""

    def planned_backups(self) -> dict[str, str]:
        """Ids of all planned backup tasks, by volume id."""

    def unwanted_backups(self) -> list[model.Backup]:
        """Rows that are unwanted and have no live delete task.

        Without those whose task is being looked up: it may adopt them.
        """

    # what retention reads

    def governances(self, after: str, limit: int) -> list[model.Governance]:
        """What governs the backups of the next volumes, each sort once.

        :param after: the id of the last volume that was read.
        :param limit: of how many volumes; all sorts of each are returned.
        """

    def backups_of_volumes(
        self, volume_ids: Collection[str]
    ) -> dict[str, list[model.Backup]]:
        """All rows of these volumes, vanished ones too."""

    def expired(
        self,
        now: datetime.datetime,
        after: model.Backup | None,
        limit: int,
    ) -> list[model.Backup]:
        """Available backups whose expiry has come, in order of expiry.

        :param after: the last one of the page before.
        """

    def undated(
        self, created_before: datetime.datetime, after: str, limit: int
    ) -> list[model.Backup]:
        """Available backups of servers that were never read, by id.

        :param after: the id of the last one of the page before.
        """

    def missing(self, since_before: datetime.datetime) -> list[model.Backup]:
        """Available rows for which Cinder first answered 404 before that."""

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

    def forget_vanished(self, missing_before: datetime.datetime) -> int:
        """Remove rows that are vanished for long; how many."""

    def breaker(self) -> model.Breaker | None:
        """The round of retention that waits for a yes; None: none does."""

    def trip_breaker(self, term: int, would: int, total: int) -> None:
        """Note that a round did nothing; a yes to another size is void.

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
        self, first: datetime.datetime, last: datetime.datetime, limit: int
    ) -> list[model.Backup]:
        """Newest rows of backups made then, both ends included."""

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


# -- leadership ------------------------------------------------------------


class Leadership(Protocol):
    """The one office of scheduler, held by at most one conductor.

    It saves work and guarantees nothing: the term's fence in the database
    does. Once acquired it is renewed until it is released or lost.
    """

    @property
    def description(self) -> str:
        """The backend in words, without secrets.

        Two conductors contend for one office if these are equal.
        """

    @property
    def local(self) -> bool:
        """Whether the backend serves the conductors of one host only."""

    def watch(self, on_loss: Callable[[str], None]) -> None:
        """Call this, with the reason, whenever the office is lost.

        From a thread of the leadership's own: it must not block.
        """

    def acquire(self) -> bool:
        """Try to take office, without waiting; True when held already.

        :raises CoordinationError: the backend did not answer.
        :raises ConfigurationError: it cannot be used as it is set up.
        """

    def held(self) -> bool:
        """Whether the office is still held, without asking anybody.

        A backend whose holder can be taken for dead is believed only until
        a deadline of this process, before anyone else can take office.
        """

    def release(self) -> None:
        """Give the office back; harmless when it is not held."""

    def close(self) -> None:
        """Release and let go of all connections."""
