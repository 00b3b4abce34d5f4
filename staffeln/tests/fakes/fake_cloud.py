# SPDX-License-Identifier: Apache-2.0
"""A cloud in memory that behaves as Cinder, Nova and Keystone do."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from staffeln import ports
from staffeln.domain import errors, model, report

T = TypeVar("T")

START = datetime.datetime(2026, 1, 1, 12, 0, 0)  # noqa: DTZ001 - UTC, naive

_IMPLIED = {
    "admin": {"manager", "member", "reader"},
    "manager": {"member", "reader"},
    "member": {"reader"},
}
"""Roles that come with others in a Keystone as it is set up."""

_MAY_BE_BACKED_UP = {"available": False, "in-use": True}
"""By status of the volume: whether force is needed."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One call that was made."""

    name: str
    """Name of the port's method; ``token`` for Keystone."""
    args: tuple[object, ...] = ()


@dataclasses.dataclass
class Project:
    """A project with its quota and whether the service user is in it."""

    id: str
    has_role: bool = True
    max_backups: int = -1
    max_gigabytes: int = -1
    enabled: bool = True
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A role that a user has in a project, by whatever way."""

    user_id: str
    project_id: str
    role: str
    from_above: bool = False
    """By a domain or the system."""


@dataclasses.dataclass(frozen=True)
class User:
    """A user as Keystone shows them."""

    id: str
    name: str
    email: str | None
    enabled: bool = True


@dataclasses.dataclass
class _Failure:
    name: str
    error: errors.CloudError
    times: int
    after: bool
    when: Callable[..., bool] | None


class FakeCloud:
    """Implements ports.Cloud. Nothing happens by itself.

    A backup stays ``creating`` until :meth:`finish` is called, a deletion
    ``deleting`` likewise. ``calls`` holds every call made; one page is one
    call. ``hidden`` ids are left out of lists, ``malformed`` ids become
    problems of their page. With ``lists_servers_only`` Nova shows them in
    lists and no other way. ``clock_error`` is how far Cinder's clock is
    ahead of the cloud's time.

    :param clock: tells the time (UTC, naive); default: a clock that stands
        until :meth:`pass_time` moves it.
    """

    def __init__(
        self,
        *,
        page_size: int = 1000,
        clock: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        self._page_size = page_size
        self._clock = clock
        self._now = START
        self._serial = 0
        self._lock = threading.RLock()
        self._failures: list[_Failure] = []
        self._tokens: set[str] = set()
        self._status_before: dict[str, str] = {}
        self._order: dict[str, int] = {}
        self.calls: list[Call] = []
        self.known_projects: dict[str, Project] = {}
        """What Keystone knows."""
        self.users: dict[str, User] = {}
        self.assignments: list[Assignment] = []
        self.list_is_cut_off = False
        """Keystone says that its list of projects is."""
        self.servers: dict[str, model.Server] = {}
        self.volumes: dict[str, model.Volume] = {}
        self.backups: dict[str, model.CloudBackup] = {}
        self.names: dict[str, str] = {}
        """Names of backups by id: the port does not show them."""
        self.parents: dict[str, str | None] = {}
        """What each incremental builds on, by id."""
        self.hidden: set[str] = set()
        self.malformed: set[str] = set()
        self.clock_error = datetime.timedelta()
        self.administrator = True
        self.lists_servers_only = False
        self.service_project = "service-project"
        self.services = [
            model.BackupService(host="backup-1", enabled=True, up=True)
        ]
        self.cloud_identity = model.CloudIdentity(
            auth_url="http://keystone.example",
            region="RegionOne",
            block_storage_url="http://cinder.example/v3",
            user_id="service-user",
        )

    # -- what a test sets up -----------------------------------------------

    def now(self) -> datetime.datetime:
        """The cloud's time."""
        return self._clock() if self._clock else self._now

    def pass_time(self, duration: datetime.timedelta) -> None:
        """Move the cloud's own clock on."""
        self._now += duration

    def new_id(self) -> str:
        """An id that no other thing has; the same in every run."""
        with self._lock:
            self._serial += 1
            return str(uuid.UUID(int=self._serial))

    def add_project(
        self,
        project_id: str | None = None,
        *,
        has_role: bool = True,
        max_backups: int = -1,
        max_gigabytes: int = -1,
        enabled: bool = True,
        name: str = "",
    ) -> str:
        """Add a project; quotas of -1 are unlimited. Returns its id."""
        project_id = project_id or self.new_id()
        self.known_projects[project_id] = Project(
            project_id, has_role, max_backups, max_gigabytes, enabled, name
        )
        return project_id

    def add_user(
        self,
        name: str,
        email: str | None,
        *,
        user_id: str | None = None,
        enabled: bool = True,
    ) -> str:
        """Add a user; returns their id."""
        user_id = user_id or self.new_id()
        self.users[user_id] = User(user_id, name, email, enabled)
        return user_id

    def assign(
        self,
        user_id: str,
        project_id: str,
        role: str = "member",
        *,
        from_above: bool = False,
    ) -> None:
        """Give a user a role; from above: by a domain or the system."""
        self.assignments.append(
            Assignment(user_id, project_id, role, from_above)
        )

    def change_project(self, project_id: str, **changes: Any) -> None:
        """Change fields of a project."""
        self.known_projects[project_id] = dataclasses.replace(
            self.known_projects[project_id], **changes
        )

    def delete_project(self, project_id: str) -> None:
        """An operator deletes a project; all that is in it stays."""
        del self.known_projects[project_id]

    def add_volume(
        self,
        project_id: str,
        *,
        volume_id: str | None = None,
        name: str = "",
        status: str = "available",
        size: int = 1,
        metadata: Mapping[str, str] | None = None,
        server_ids: Sequence[str] = (),
    ) -> str:
        """Add a volume; returns its id."""
        volume_id = volume_id or self.new_id()
        self.known_projects.setdefault(project_id, Project(project_id))
        self.volumes[volume_id] = model.Volume(
            id=volume_id,
            name=name,
            project_id=project_id,
            status=status,
            size=size,
            metadata=dict(metadata or {}),
            server_ids=tuple(server_ids),
        )
        return volume_id

    def add_server(
        self,
        project_id: str,
        *,
        server_id: str | None = None,
        name: str = "server",
        metadata: Mapping[str, str] | None = None,
        volume_ids: Sequence[str] = (),
        status: str = "ACTIVE",
        task_state: str | None = None,
        readable: bool = True,
        created_at: datetime.datetime | None = None,
    ) -> str:
        """Add a server; its volumes become attached. Returns its id.

        :param created_at: default: the cloud's time.
        """
        server_id = server_id or self.new_id()
        self.known_projects.setdefault(project_id, Project(project_id))
        self.servers[server_id] = model.Server(
            id=server_id,
            name=name,
            project_id=project_id,
            status=status,
            task_state=task_state,
            metadata=dict(metadata or {}),
            volume_ids=tuple(volume_ids),
            readable=readable,
            created_at=created_at or self.now(),
        )
        for volume_id in volume_ids:
            volume = self.volumes[volume_id]
            status = volume.status
            self.change_volume(
                volume_id,
                status="in-use" if status == "available" else status,
                server_ids=(*volume.server_ids, server_id),
            )
        return server_id

    def change_volume(self, volume_id: str, **changes: Any) -> None:
        """Change fields of a volume."""
        self.volumes[volume_id] = dataclasses.replace(
            self.volumes[volume_id], **changes
        )

    def change_server(self, server_id: str, **changes: Any) -> None:
        """Change fields of a server."""
        self.servers[server_id] = dataclasses.replace(
            self.servers[server_id], **changes
        )

    def change_backup(self, backup_id: str, **changes: Any) -> None:
        """Change fields of a backup."""
        self.backups[backup_id] = dataclasses.replace(
            self.backups[backup_id], **changes
        )

    def add_backup(
        self,
        project_id: str,
        volume_id: str,
        *,
        backup_id: str | None = None,
        status: str = "available",
        incremental: bool = False,
        created_at: datetime.datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        user_id: str | None = None,
    ) -> str:
        """Add a backup that somebody made; returns its id."""
        backup_id = backup_id or self.new_id()
        created_at = created_at or self.now()
        if incremental:
            self.parents[backup_id] = self._parent(
                project_id, volume_id, created_at
            )
        volume = self.volumes.get(volume_id)
        self._order[backup_id] = len(self._order)
        self.backups[backup_id] = model.CloudBackup(
            id=backup_id,
            project_id=project_id,
            volume_id=volume_id,
            status=status,
            incremental=incremental,
            created_at=created_at,
            size=volume.size if volume else 1,
            metadata=dict(metadata or {}),
            user_id=user_id,
        )
        return backup_id

    def delete_volume(self, volume_id: str) -> None:
        """A user deletes a volume."""
        del self.volumes[volume_id]

    def finish(
        self,
        backup_id: str,
        status: str = "available",
        reason: str | None = None,
    ) -> None:
        """Let Cinder end what it does with a backup.

        A deletion ends with the backup gone; with ``error_deleting`` it
        fails. The volume gets the status back that it had before.
        """
        with self._lock:
            backup = self.backups[backup_id]
            if backup.status == "deleting" and status != "error_deleting":
                self.vanish(backup_id)
                return
            self.change_backup(backup_id, status=status, fail_reason=reason)
            self._give_volume_back(backup)

    def finish_all(self, status: str = "available") -> list[str]:
        """End everything that goes on; returns the ids, oldest first."""
        busy = [
            backup.id
            for backup in self.backups.values()
            if backup.status in {"creating", "deleting"}
        ]
        for backup_id in busy:
            self.finish(backup_id, status)
        return busy

    def vanish(self, backup_id: str) -> None:
        """A backup is gone, whoever did it."""
        self._give_volume_back(self.backups.pop(backup_id))

    def fail(
        self,
        name: str,
        error: errors.CloudError,
        *,
        times: int = 1,
        after: bool = False,
        when: Callable[..., bool] | None = None,
    ) -> None:
        """Let calls of a method fail.

        :param after: carry the call out first and then lose its answer.
        :param when: told the call's arguments: whether this one fails.
        """
        self._failures.append(_Failure(name, error, times, after, when))

    def heal(self) -> None:
        """Forget the failures that were asked for."""
        self._failures.clear()

    def count(self, name: str) -> int:
        """How many calls of a method were made."""
        return sum(call.name == name for call in self.calls)

    # -- the port ----------------------------------------------------------

    @property
    def page_size(self) -> int:
        """How many items a page holds."""
        return self._page_size

    def identity(self) -> model.CloudIdentity:
        """Which cloud this is."""
        with self._call("identity"):
            return self.cloud_identity

    def backup_services(self) -> list[model.BackupService]:
        """The backup services, for administrators."""
        with self._call("backup_services"):
            if not self.administrator:
                raise errors.NotAdministratorError(
                    "the service user has no administrator rights",
                    status=403,
                )
            return list(self.services)

    def time(self) -> datetime.datetime:
        """Cinder's clock."""
        with self._call("time"):
            return self.now() + self.clock_error

    def project(self, project_id: str) -> bool:
        """Whether a project is enabled, for administrators."""
        with self._call("project", project_id):
            self._check_administrator()
            project = self.known_projects.get(project_id)
            if project is None:
                raise errors.NotFoundError(
                    f"Keystone: Could not find project: {project_id}.",
                    status=404,
                )
            return project.enabled

    def projects(self) -> Mapping[str, bool]:
        """Which projects are enabled, for administrators."""
        with self._call("projects"):
            self._check_administrator()
            absent = self.hidden | self.malformed
            return {
                each.id: each.enabled
                for each in self.known_projects.values()
                if each.id not in absent
            }

    def project_list(self) -> report.ProjectList:
        """The projects with their names, for administrators."""
        with self._call("project_list"):
            self._check_administrator()
            absent = self.hidden | self.malformed
            shown = [
                report.Project(
                    id=each.id, name=each.name, enabled=each.enabled
                )
                for each in self.known_projects.values()
                if each.id not in absent
            ]
            return report.ProjectList(
                projects=tuple(shown),
                complete=not self.list_is_cut_off
                and len(shown) == len(self.known_projects),
            )

    def members(
        self, project_id: str, roles: Collection[str]
    ) -> list[report.Member]:
        """Who may be written to, for administrators."""
        with self._call("members", project_id, tuple(roles)):
            self._check_administrator()
            wanted = {each.casefold() for each in roles}
            found = {
                each.user_id: self.users[each.user_id]
                for each in self.assignments
                if each.project_id == project_id
                and wanted & {each.role, *_IMPLIED.get(each.role, ())}
                and not each.from_above
            }
            found.pop(self.cloud_identity.user_id, None)
            return sorted(
                (
                    report.Member(
                        user_id=each.id, name=each.name, email=each.email
                    )
                    for each in found.values()
                    if each.enabled and each.email
                ),
                key=lambda each: (each.name, each.user_id),
            )

    def quotas(self, project_id: str) -> report.Quotas:
        """Limits and use, for administrators."""
        with self._call("quotas", project_id):
            self._check_administrator()
            project = self.known_projects.get(project_id)
            used = self._sizes(project_id)
            return report.Quotas(
                backups=report.Quota(
                    limit=project.max_backups if project else 10,
                    in_use=len(used),
                    reserved=0,
                ),
                gigabytes=report.Quota(
                    limit=project.max_gigabytes if project else 1000,
                    in_use=sum(used),
                    reserved=0,
                ),
            )

    def server_pages(self) -> Iterator[ports.Page[model.Server]]:
        """All servers; as in Nova a full page may be followed by none."""
        return self._pages(
            "server_pages",
            (),
            lambda: list(self.servers.values()),
            counted=False,
        )

    def server(self, server_id: str) -> model.Server:
        """One server, hidden or not."""
        with self._call("server", server_id):
            server = self.servers.get(server_id)
            if (
                server is None
                or self.lists_servers_only
                or not self._shown(server)
            ):
                raise errors.NotFoundError(
                    f"Nova: Instance {server_id} could not be found.",
                    status=404,
                )
            return server

    def volume_pages(self) -> Iterator[ports.Page[model.Volume]]:
        """All volumes."""
        return self._pages(
            "volume_pages",
            (),
            lambda: list(reversed(self.volumes.values())),
            counted=True,
        )

    def volume(self, volume_id: str) -> model.Volume:
        """One volume."""
        with self._call("volume", volume_id):
            volume = self.volumes.get(volume_id)
            if volume is None or not self._shown(volume):
                raise _not_found("Volume", volume_id)
            return volume

    def backup_pages(
        self, *, status: str | None = None
    ) -> Iterator[ports.Page[model.CloudBackup]]:
        """Backups, newest first."""
        return self._pages(
            "backup_pages",
            (status,),
            lambda: [
                backup
                for backup in self._newest_first()
                if status is None or backup.status == status
            ],
            counted=True,
        )

    def newest_backup(self, offset: int) -> model.CloudBackup | None:
        """The backup with so many newer ones."""
        with self._call("newest_backup", offset):
            rows = self._listed(self._newest_first())
            return rows[offset] if offset < len(rows) else None

    def backup(self, backup_id: str) -> model.CloudBackup:
        """One backup."""
        with self._call("backup", backup_id):
            backup = self.backups.get(backup_id)
            if backup is None or not self._shown(backup):
                raise _not_found("Backup", backup_id)
            return backup

    def backups_of_volume(
        self, project_id: str, volume_id: str
    ) -> list[model.CloudBackup]:
        """A volume's backups in one project."""
        with self._call("backups_of_volume", project_id, volume_id):
            self._token(project_id)
            return [
                backup
                for backup in self._newest_first()
                if backup.project_id == project_id
                and backup.volume_id == volume_id
                and backup.id not in self.hidden
            ]

    def create_backup(
        self,
        request: model.BackupRequest,
        in_time: Callable[[], bool] = lambda: True,
    ) -> str:
        """Make a backup, as far as Cinder would."""
        if not in_time():
            raise errors.LateError("too late: nothing was sent")
        with self._call("create_backup", request):
            self._token(request.project_id)
            volume = self._volume_to_back_up(request)
            self._check_quota(request.project_id, volume.size)
            if request.incremental:
                self._check_parent(request)
            backup_id = self.add_backup(
                request.project_id,
                request.volume_id,
                status="creating",
                incremental=request.incremental,
                metadata=request.metadata,
                user_id=self.cloud_identity.user_id,
            )
            self.names[backup_id] = request.name
            self._status_before[request.volume_id] = volume.status
            self.change_volume(request.volume_id, status="backing-up")
            if not self._service_is_up():
                self.finish(
                    backup_id, "error", "Service not found for the backup."
                )
            return backup_id

    def delete_backup(
        self, backup_id: str, in_time: Callable[[], bool] = lambda: True
    ) -> None:
        """Begin to delete a backup, where Cinder would."""
        if not in_time():
            raise errors.LateError("too late: nothing was sent")
        with self._call("delete_backup", backup_id):
            backup = self.backups.get(backup_id)
            if backup is None or not self._shown(backup):
                raise _not_found("Backup", backup_id)
            children = self._children(backup)
            listed = [each for each in children if each not in self.hidden]
            if listed:
                # Looked for before Cinder is asked.
                raise errors.DependentsError(
                    f"Cinder: held by backup {', '.join(listed[:5])}, which "
                    "depends on it",
                    tuple(listed[:5]),
                )
            if backup.status not in {"available", "error"}:
                raise _invalid("Backup status must be available or error")
            if children:
                raise _invalid("Incremental backups exist for this backup.")
            if not self._service_is_up():
                raise _not_found("Service", "cinder-backup")
            self.change_backup(backup_id, status="deleting")

    # -- how it behaves ----------------------------------------------------

    @contextlib.contextmanager
    def _call(self, name: str, *args: object) -> Iterator[None]:
        """Note a call, fail it if asked to; one at a time."""
        with self._lock:
            self.calls.append(Call(name, args))
            failure = self._next_failure(name, args)
            if failure and not failure.after:
                raise failure.error
            yield
            if failure:
                raise failure.error

    def _next_failure(
        self, name: str, args: tuple[object, ...]
    ) -> _Failure | None:
        for failure in self._failures:
            if failure.name != name or not failure.times:
                continue
            if failure.when is None or failure.when(*args):
                failure.times -= 1
                return failure
        return None

    def _token(self, project_id: str) -> None:
        """One token for each project is enough for ever."""
        project = self.known_projects.get(project_id)
        if project_id not in self._tokens:
            self.calls.append(Call("token", (project_id,)))
        if project is None or not project.has_role:
            raise errors.NoRoleError(
                f"no role in project {project_id}", status=401
            )
        self._tokens.add(project_id)

    def _shown(self, item: Any) -> bool:
        """Cinder ignores all_tenants for those who are no administrator."""
        return self.administrator or item.project_id == self.service_project

    def _check_administrator(self) -> None:
        """Keystone says no to others; Cinder and Nova show them less."""
        if not self.administrator:
            raise errors.ForbiddenError(
                "Keystone: You are not authorized to perform the requested "
                "action.",
                status=403,
            )

    def _listed(self, rows: list[T]) -> list[T]:
        return [
            row
            for row in rows
            if self._shown(row) and row.id not in self.hidden  # type: ignore[attr-defined]
        ]

    def _newest_first(self) -> list[model.CloudBackup]:
        return sorted(
            self.backups.values(),
            key=lambda backup: (backup.created_at, self._order[backup.id]),
            reverse=True,
        )

    def _pages(
        self,
        name: str,
        args: tuple[object, ...],
        rows: Callable[[], list[Any]],
        *,
        counted: bool,
    ) -> Iterator[ports.Page[Any]]:
        total: int | None = None
        last: set[str] = set()
        while True:
            with self._call(name, *args):
                now = self._listed(rows())
                if not last:
                    total = len(now)
                page = [row for row in now if row.id not in last]
                page = page[: self._page_size]
                first = not last
                last |= {row.id for row in page}
            yield ports.Page(
                items=tuple(r for r in page if r.id not in self.malformed),
                total=total if counted and first else None,
                problems=tuple(
                    f"{r.id} cannot be read"
                    for r in page
                    if r.id in self.malformed
                ),
            )
            if len(page) < self._page_size:
                return
            if counted and total is not None and len(last) >= total:
                return

    def _volume_to_back_up(self, request: model.BackupRequest) -> model.Volume:
        volume = self.volumes.get(request.volume_id)
        if volume is None:
            raise _not_found("Volume", request.volume_id)
        if volume.status not in _MAY_BE_BACKED_UP:
            raise _invalid(
                f"Volume {volume.id} to be backed up must be available or "
                f"in-use, but the current status is {volume.status!r}."
            )
        if _MAY_BE_BACKED_UP[volume.status] and not request.force:
            raise _invalid("Backing up an in-use volume must use the force.")
        return volume

    def _check_quota(self, project_id: str, size: int) -> None:
        project = self.known_projects[project_id]
        used = self._sizes(project_id)
        if 0 <= project.max_backups <= len(used):
            raise errors.OverQuotaError(
                "Maximum number of backups allowed "
                f"({project.max_backups}) exceeded",
                status=413,
            )
        if 0 <= project.max_gigabytes < sum(used) + size:
            raise errors.OverQuotaError(
                "Requested backup exceeds allowed Backup gigabytes quota. "
                f"Requested {size}G, quota is {project.max_gigabytes}G and "
                f"{sum(used)}G has been consumed.",
                status=413,
            )

    def _sizes(self, project_id: str) -> list[int]:
        """GiB of each backup of a project."""
        return [
            backup.size
            for backup in self.backups.values()
            if backup.project_id == project_id
        ]

    def _check_parent(self, request: model.BackupRequest) -> None:
        parent = self._parent(
            request.project_id, request.volume_id, self.now()
        )
        if parent is None:
            raise _invalid("No backups available to do an incremental backup.")

    def _parent(
        self, project_id: str, volume_id: str, before: datetime.datetime
    ) -> str | None:
        """The newest available backup of the volume in the project."""
        for backup in self._newest_first():
            if (
                backup.volume_id == volume_id
                and backup.project_id == project_id
                and backup.status == "available"
                and backup.created_at <= before
            ):
                return backup.id
        return None

    def _children(self, backup: model.CloudBackup) -> list[str]:
        """Children count in any state."""
        return [
            other
            for other in self.backups
            if self.parents.get(other) == backup.id
        ]

    def _service_is_up(self) -> bool:
        return any(service.up for service in self.services)

    def _give_volume_back(self, backup: model.CloudBackup) -> None:
        volume = self.volumes.get(backup.volume_id)
        if volume is not None and volume.status == "backing-up":
            before = self._status_before.pop(volume.id, "available")
            self.change_volume(volume.id, status=before)


def _not_found(kind: str, name: str) -> errors.NotFoundError:
    return errors.NotFoundError(
        f"Cinder: {kind} {name} could not be found.", status=404
    )


def _invalid(words: str) -> errors.InvalidRequestError:
    return errors.InvalidRequestError(
        f"Cinder: Invalid backup: {words}", status=400
    )
