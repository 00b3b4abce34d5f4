# SPDX-License-Identifier: Apache-2.0
"""A store in memory: an adapter of :class:`staffeln.ports.Store`."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from staffeln import ports
from staffeln.domain import errors, model, task

_HELD = (task.State.CLAIMED, task.State.STARTING, task.State.RUNNING)


class MemoryStore:
    """Everything in dictionaries, one lock for all; the test's own clock."""

    def __init__(self, clock: Callable[[], datetime.datetime]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._deployment = model.Deployment(
            uuid="deployment",
            identity=None,
            adopted=False,
            selected_volumes=None,
        )
        self._conductors: dict[str, ports.Conductor] = {}
        self._term = 0
        self._tasks: dict[str, task.Task] = {}
        self._events: defaultdict[str, list[task.Event]] = defaultdict(list)
        self._backups: dict[str, model.Backup] = {}
        self._volumes: dict[str, model.VolumeRecord] = {}

    def now(self) -> datetime.datetime:
        return self._clock()

    # -- the deployment ----------------------------------------------------

    def deployment(self) -> model.Deployment:
        return self._deployment

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        with self._lock:
            if self._deployment.identity is None:
                self._deployment = dataclasses.replace(
                    self._deployment, identity=identity
                )

    # -- conductors --------------------------------------------------------

    def register_conductor(
        self, conductor_id: str, host: str, pid: int, backend: str
    ) -> None:
        self._conductors[conductor_id] = ports.Conductor(
            id=conductor_id,
            host=host,
            pid=pid,
            backend=backend,
            started_at=self.now(),
            heartbeat_at=self.now(),
        )

    def heartbeat(self, conductor_id: str) -> bool:
        with self._lock:
            found = self._conductors.get(conductor_id)
            if found is None:
                return False
            self._conductors[conductor_id] = dataclasses.replace(
                found, heartbeat_at=self.now()
            )
            return True

    def unregister_conductor(self, conductor_id: str) -> None:
        self._conductors.pop(conductor_id, None)

    def conductors(self) -> list[ports.Conductor]:
        return list(self._conductors.values())

    # -- the scheduler -----------------------------------------------------

    def take_office(self, conductor_id: str) -> int:
        with self._lock:
            self._term += 1
            return self._term

    def write_plan(
        self, term: int, plan: ports.PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        with self._lock:
            if term != self._term:
                raise errors.OvertakenError(f"term {term} is over")
            cancelled = self._cancel(
                [
                    self._tasks[each]
                    for each in plan.cancelled
                    if each in self._tasks
                ],
                plan.cancel_reason,
                conductor_id,
            )
            for record in plan.records:
                self._volumes[record.volume_id] = record
            for backup in list(self._backups.values()):
                if backup.volume_id in plan.retentions:
                    self._backups[backup.id] = dataclasses.replace(
                        backup, retention=plan.retentions[backup.volume_id]
                    )
            if plan.selected_volumes is not None:
                self._deployment = dataclasses.replace(
                    self._deployment, selected_volumes=plan.selected_volumes
                )
            added = []
            for work in plan.tasks:
                if work.state in task.LIVE and work.slot in self._slots():
                    continue
                self._tasks[work.id] = work
                self._note(None, work, conductor_id)
                added.append(work)
            return [*added, *cancelled]

    # -- what planning reads -----------------------------------------------

    def histories(
        self, volume_ids: Collection[str]
    ) -> dict[str, model.History]:
        with self._lock:
            found = {each: self._history(each) for each in volume_ids}
        return {
            volume_id: past
            for volume_id, past in found.items()
            if past != model.History()
        }

    def _history(self, volume_id: str) -> model.History:
        works = [
            work
            for work in self._tasks.values()
            if work.volume_id == volume_id and work.kind is task.Kind.BACKUP
        ]
        completed = sorted(
            (
                backup
                for backup in self._backups.values()
                if backup.volume_id == volume_id and backup.completed_at
            ),
            key=lambda backup: (backup.created_at, backup.id),
        )
        fulls = [each.created_at for each in completed if not each.incremental]
        return model.History(
            live_task=next(
                (work.state for work in works if work.state in task.LIVE),
                None,
            ),
            last_success_at=max(
                (
                    each.created_at
                    for each in completed
                    if each.state is model.BackupState.AVAILABLE
                ),
                default=None,
            ),
            chain=tuple(
                each
                for each in completed
                if not fulls or each.created_at >= fulls[-1]
            ),
            record=self._volumes.get(volume_id),
            unreported_failures=frozenset(
                work.reason
                for work in works
                if work.state is task.State.FAILED
            ),
        )

    def planned_backups(self) -> dict[str, str]:
        return {
            work.volume_id: work.id
            for work in self.tasks(
                kind=task.Kind.BACKUP, states=[task.State.PLANNED]
            )
        }

    def unwanted_backups(self) -> list[model.Backup]:
        with self._lock:
            taken = self._slots()
            return [
                backup
                for backup in self.backups(states=[model.BackupState.UNWANTED])
                if f"delete:{backup.id}" not in taken
            ]

    # -- tasks -------------------------------------------------------------

    def claim(
        self,
        conductor_id: str,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
    ) -> list[task.Task]:
        with self._lock:
            wanted = sorted(
                (
                    work
                    for work in self._tasks.values()
                    if work.kind is kind
                    and work.state is task.State.PLANNED
                    and (work.not_before is None or work.not_before <= now)
                ),
                key=lambda work: (work.created_at, work.rank, work.id),
            )[:limit]
            return self.advance(
                [
                    ports.Change(
                        before=work,
                        after=task.advance(
                            work,
                            task.State.CLAIMED,
                            now,
                            work.reason,
                            claimed_by=conductor_id,
                        ),
                    )
                    for work in wanted
                ],
                conductor_id,
            )

    def advance(
        self, changes: Sequence[ports.Change], conductor_id: str
    ) -> list[task.Task]:
        done = []
        with self._lock:
            for change in changes:
                if not self._is_still(change.before):
                    continue
                after = change.after
                self._tasks[after.id] = after
                self._note(change.before.state, after, conductor_id)
                if change.backup is not None:
                    self._backups[change.backup.id] = dataclasses.replace(
                        change.backup, updated_at=after.updated_at
                    )
                if change.forget_backup is not None:
                    self._backups.pop(change.forget_backup, None)
                if change.record is not None:
                    self._volumes[change.record.volume_id] = change.record
                done.append(after)
        return done

    def holders(self) -> set[str]:
        return {
            work.claimed_by
            for work in self.tasks(states=_HELD)
            if work.claimed_by is not None
        }

    def take_over(
        self,
        tasks: Sequence[task.Task],
        conductor_id: str,
        now: datetime.datetime,
        reason: str,
    ) -> list[task.Task]:
        with self._lock:
            taken = []
            for before in tasks:
                if self._is_still(before):
                    after = task.hand_over(before, conductor_id, now, reason)
                    self._tasks[after.id] = after
                    self._note(before.state, after, conductor_id)
                    taken.append(after)
            return taken

    def cancel_over_quota(
        self,
        project_id: str,
        size: int,
        reason: str,
        now: datetime.datetime,
        conductor_id: str,
    ) -> int:
        with self._lock:
            planned = [
                work
                for work in self.tasks(
                    kind=task.Kind.BACKUP,
                    states=[task.State.PLANNED],
                    project_id=project_id,
                )
                if work.volume_size >= size
            ]
            return len(self._cancel(planned, reason, conductor_id))

    def get_task(self, task_id: str) -> task.Task | None:
        return self._tasks.get(task_id)

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
        with self._lock:
            found = [
                work
                for work in self._tasks.values()
                if kind in (None, work.kind)
                and (states is None or work.state in states)
                and (claimed_by is None or work.claimed_by in claimed_by)
                and project_id in (None, work.project_id)
                and volume_id in (None, work.volume_id)
            ]
        found.sort(key=lambda work: (work.created_at, work.rank), reverse=True)
        return found[:limit]

    def events(self, task_id: str) -> list[task.Event]:
        return list(self._events[task_id])

    # -- backups and volumes -----------------------------------------------

    def get_backup(self, backup_id: str) -> model.Backup | None:
        return self._backups.get(backup_id)

    def backups(
        self,
        *,
        ids: Collection[str] | None = None,
        states: Collection[model.BackupState] | None = None,
        project_id: str | None = None,
        volume_id: str | None = None,
        limit: int | None = None,
    ) -> list[model.Backup]:
        with self._lock:
            found = [
                backup
                for backup in self._backups.values()
                if (ids is None or backup.id in ids)
                and (states is None or backup.state in states)
                and project_id in (None, backup.project_id)
                and volume_id in (None, backup.volume_id)
            ]
        found.sort(key=lambda backup: backup.id)
        found.sort(key=lambda backup: backup.created_at, reverse=True)
        return found[:limit]

    def save_backup(self, backup: model.Backup) -> bool:
        with self._lock:
            if backup.id not in self._backups:
                return False
            self._backups[backup.id] = dataclasses.replace(
                backup, updated_at=self.now()
            )
            return True

    def volume_record(self, volume_id: str) -> model.VolumeRecord | None:
        return self._volumes.get(volume_id)

    # -- how it is done ----------------------------------------------------

    def _is_still(self, before: task.Task) -> bool:
        work = self._tasks.get(before.id)
        return (
            work is not None
            and work.state is before.state
            and work.attempt == before.attempt
            and work.claimed_by == before.claimed_by
        )

    def _slots(self) -> set[str]:
        return {
            work.slot
            for work in self._tasks.values()
            if work.state in task.LIVE
        }

    def _cancel(
        self, tasks: Iterable[task.Task], reason: str, conductor_id: str
    ) -> list[task.Task]:
        return self.advance(
            [
                ports.Change(
                    before=work,
                    after=task.advance(
                        work, task.State.CANCELLED, self.now(), reason
                    ),
                )
                for work in tasks
                if work.state is task.State.PLANNED
            ],
            conductor_id,
        )

    def _note(
        self, before: task.State | None, work: task.Task, conductor_id: str
    ) -> None:
        self._events[work.id].append(
            task.Event(
                task_id=work.id,
                at=work.updated_at,
                from_state=before,
                to_state=work.state,
                reason=work.reason,
                conductor_id=conductor_id,
                attempt=work.attempt,
            )
        )
