# SPDX-License-Identifier: Apache-2.0
"""A store in memory: what the database does, without one.

It passes the suite of ``tests/functional/db`` as the real ones do.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from staffeln import ports
from staffeln.domain import census, deletion, model, queue, task
from staffeln.tests.fakes import memory_reports


class MemoryStore(memory_reports.MemoryReports):
    """One deployment's database; used by many threads."""

    # -- for those who watch -----------------------------------------------

    def census(self, most_projects: int) -> census.Census:
        with self._lock:
            tasks = Counter(
                (work.kind, work.state) for work in self._tasks.values()
            )
            of_projects: dict[str, list[int]] = {}
            for row in self._backups.values():
                if row.state in census.PRESENT:
                    of_projects.setdefault(row.project_id, []).append(row.size)
            counts = [
                census.ProjectCount(
                    project_id=name, backups=len(sizes), gigabytes=sum(sizes)
                )
                for name, sizes in of_projects.items()
            ]
            return census.Census(
                taken_at=self.now(),
                term=self._term,
                conductors=len(self._conductors),
                tasks=tuple(
                    census.TaskCount(kind=kind, state=state, number=number)
                    for (kind, state), number in sorted(tasks.items())
                ),
                projects=census.largest(
                    counts,
                    census.ProjectCount(
                        project_id=None,
                        backups=sum(each.backups for each in counts),
                        gigabytes=sum(each.gigabytes for each in counts),
                    ),
                    most_projects,
                ),
                brakes=tuple(self.brakes()),
                breaker_waits=self._breaker is not None
                and self._breaker.confirmed_at is None,
            )

    # -- the brake ---------------------------------------------------------

    def brakes(self) -> list[model.Brake]:
        with self._lock:
            return [self._brakes[key] for key in sorted(self._brakes)]

    def pause(self, kind: task.Kind, project_id: str) -> bool:
        with self._lock:
            if (kind, project_id) in self._brakes:
                return False
            self._brakes[kind, project_id] = model.Brake(
                kind=kind, project_id=project_id, since=self.now()
            )
            return True

    def resume(self, kind: task.Kind, project_id: str) -> bool:
        with self._lock:
            front = self.queued(self.now()).front
            if self._brakes.pop((kind, project_id), None) is None:
                return False
            waiting = self.tasks(
                kind=task.Kind.BACKUP,
                states=[task.State.PLANNED],
                project_id=project_id or None,
            )
            if kind is task.Kind.BACKUP and project_id and waiting:
                first = min(work.rank for work in waiting)
                behind = queue.rounds_behind(first, front)
                for work in waiting:
                    self._tasks[work.id] = dataclasses.replace(
                        work, rank=work.rank + behind
                    )
            return True

    def write_plan(
        self, term: int, plan: ports.PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        with self._lock:
            self._fence(term)
            cancelled = self._cancel(
                [
                    self._tasks[task_id]
                    for task_id in plan.cancelled
                    if task_id in self._tasks
                ],
                plan.cancel_reason,
                self.now(),
                conductor_id,
                term,
            )
            for task_id in plan.postponed:
                work = self._tasks[task_id]
                if work.state is task.State.PLANNED:
                    self._tasks[task_id] = dataclasses.replace(
                        work, not_before=plan.postponed_until
                    )
            for record in plan.records:
                self._records[record.volume_id] = record
            for row in plan.adopted:
                self.keep_backup(row)
            self._govern(plan.governed)
            self._note_vanished(plan.vanished)
            self._note_returned(plan.returned)
            if plan.selected_volumes is not None:
                self._deployment = dataclasses.replace(
                    self._deployment, selected_volumes=plan.selected_volumes
                )
            return [*self._add(plan.tasks, conductor_id, term), *cancelled]

    def _add(
        self, tasks: Iterable[task.Task], conductor_id: str, term: int
    ) -> list[task.Task]:
        taken = {
            work.slot
            for work in self._tasks.values()
            if work.state in task.LIVE
        }
        added = []
        for work in tasks:
            if work.id in self._tasks:
                # Written by a call whose answer was lost.
                added.append(self._tasks[work.id])
                continue
            if work.state in task.LIVE:
                if work.slot in taken or self._crosses(work):
                    continue
                taken.add(work.slot)
            self._tasks[work.id] = work
            self._tell(None, work, conductor_id, term)
            added.append(work)
        return added

    def _crosses(self, work: task.Task) -> bool:
        """Whether a live task of its volume is in the way of another sort."""
        live = [
            each
            for each in self._tasks.values()
            if each.volume_id == work.volume_id and each.state in task.LIVE
        ]
        rows = self.backups_of_volumes([work.volume_id])
        return deletion.crosses(work, rows.get(work.volume_id, ()), live)

    # -- what planning reads -----------------------------------------------

    def histories(
        self,
        volume_ids: Collection[str],
        chains_until: datetime.datetime | None = None,
    ) -> dict[str, model.History]:
        with self._lock:
            found = {
                volume_id: self._history(volume_id) for volume_id in volume_ids
            }
        for volume_id, history in found.items():
            last = history.last_success_at
            if (
                chains_until is not None
                and last is not None
                and last > chains_until
                and history.live_task is None
            ):
                found[volume_id] = dataclasses.replace(
                    history, chain=(), to_go=frozenset()
                )
        nothing = model.History()
        return {
            volume_id: history
            for volume_id, history in found.items()
            if history != nothing
        }

    def _history(self, volume_id: str) -> model.History:
        tasks = self.tasks(kind=task.Kind.BACKUP, volume_id=volume_id)
        completed = sorted(
            (
                row
                for row in self._backups.values()
                if row.volume_id == volume_id and row.completed_at is not None
            ),
            key=lambda row: (row.created_at, bool(row.incremental), row.id),
        )
        chain: list[model.Backup] = []
        for row in completed:
            chain = [*chain, row] if row.incremental else [row]
        live = next((work for work in tasks if work.state in task.LIVE), None)
        return model.History(
            live_task=live.state if live else None,
            live_since=live.created_at if live else None,
            last_success_at=max(
                (
                    row.created_at
                    for row in completed
                    if row.state is model.BackupState.AVAILABLE
                    and row.broken_since is None
                ),
                default=None,
            ),
            chain=tuple(chain),
            to_go=frozenset(
                row.id
                for row in chain
                if self.live_tasks([task.delete_slot(row.id)])
            ),
            record=self._records.get(volume_id),
            unreported_failures=frozenset(
                work.reason
                for work in tasks
                if work.state is task.State.FAILED
                and self._nobody_was_told_of(work)
            ),
        )

    def queued(self, now: datetime.datetime) -> queue.Queue:
        with self._lock:
            ready = self._ready(task.Kind.BACKUP, now)
        last: dict[str, int] = {}
        for work in ready:
            last[work.project_id] = max(
                last.get(work.project_id, 0), work.rank
            )
        running = [
            work.rank
            for work in self.tasks(kind=task.Kind.BACKUP, states=task.HELD)
        ]
        waiting = [
            work.rank
            for work in ready
            if (work.kind, work.project_id) not in self._brakes
        ]
        front = max(max(running, default=0), min(waiting, default=0))
        start, end = queue.bounds(front)
        in_round = [
            work.rank
            for work in self.tasks(
                kind=task.Kind.BACKUP, states=[task.State.PLANNED]
            )
            if start <= work.rank < end
        ]
        return queue.Queue(last, front, max(in_round, default=None))

    def volumes_with_backups(self, after: str, limit: int) -> list[str]:
        with self._lock:
            found = {row.volume_id for row in self._backups.values()}
            return sorted(each for each in found if each > after)[:limit]

    def planned_backups(self) -> dict[str, str]:
        return {
            work.volume_id: work.id
            for work in self.tasks(
                kind=task.Kind.BACKUP, states=[task.State.PLANNED]
            )
        }

    def unwanted_backups(
        self, after: str = "", limit: int | None = None
    ) -> list[model.Backup]:
        with self._lock:
            removing = {
                work.backup_id
                for work in self.tasks(kind=task.Kind.DELETE, states=task.LIVE)
            }
            looked_up = {
                work.id
                for work in self.tasks(
                    kind=task.Kind.BACKUP, states=[task.State.STARTING]
                )
            }
            found = [
                row
                for row in self.backups(states=[model.BackupState.UNWANTED])
                if row.id > after
                and row.id not in removing
                and row.task_id not in looked_up
            ]
            return sorted(found, key=lambda row: row.id)[:limit]

    # -- tasks -------------------------------------------------------------

    def _ready(
        self, kind: task.Kind, now: datetime.datetime
    ) -> list[task.Task]:
        return [
            work
            for work in self._tasks.values()
            if work.kind is kind
            and work.state is task.State.PLANNED
            and (work.not_before is None or work.not_before <= now)
        ]

    def _claimable(
        self, kind: task.Kind, now: datetime.datetime
    ) -> list[task.Task]:
        return [
            work for work in self._ready(kind, now) if work.waits_for is None
        ]

    def claimable(self, kind: task.Kind, now: datetime.datetime) -> bool:
        with self._lock:
            return bool(self._claimable(kind, now))

    def _chosen(
        self,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
        throttle: ports.Throttle,
    ) -> list[task.Task]:
        """The first tasks that are not paused and that there is room for."""
        seated = Counter(
            work.project_id
            for work in self._tasks.values()
            if work.kind is kind
            and (work.state in task.HELD or work.id in self._seats)
        )
        chosen: list[task.Task] = []
        for work in sorted(
            self._claimable(kind, now),
            key=lambda each: (each.rank, each.created_at, each.id),
        ):
            if len(chosen) == limit:
                break
            if {(kind, ""), (kind, work.project_id)} & self._brakes.keys():
                continue
            if throttle.running and seated.total() >= throttle.running:
                break
            if (
                throttle.per_project
                and seated[work.project_id] >= throttle.per_project
            ):
                continue
            seated[work.project_id] += 1
            chosen.append(work)
        return chosen

    def overdue(self) -> list[task.Task]:
        with self._lock:
            return [self._tasks[task_id] for task_id in self._seats]

    def free_seats(self, task_ids: Collection[str]) -> None:
        with self._lock:
            self._seats.difference_update(task_ids)

    def claim(
        self,
        conductor_id: str,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
        throttle: ports.Throttle = ports.NO_THROTTLE,
    ) -> list[task.Task]:
        with self._lock:
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
                    for work in self._chosen(kind, limit, now, throttle)
                ],
                conductor_id,
            )

    def advance(
        self,
        changes: Sequence[ports.Change],
        conductor_id: str,
        term: int | None = None,
    ) -> list[task.Task]:
        with self._lock:
            done = []
            for change in changes:
                if not self._is_still(change.before):
                    continue
                self._move(change)
                if change.still_busy:
                    self._seats.add(change.after.id)
                if change.backup is not None:
                    self._put(change.backup, change.after.updated_at)
                    if change.backup.state is model.BackupState.VANISHED:
                        self._release(change.backup.id)
                if change.forget_backup is not None:
                    self._backups.pop(change.forget_backup, None)
                    self._release(change.forget_backup)
                if change.record is not None:
                    self._records[change.record.volume_id] = change.record
                self._tell(
                    change.before.state, change.after, conductor_id, term
                )
                done.append(change.after)
            return done

    def _is_still(self, before: task.Task) -> bool:
        now = self._tasks.get(before.id)
        return now is not None and (
            (now.state, now.attempt, now.claimed_by)
            == (before.state, before.attempt, before.claimed_by)
        )

    def _move(self, change: ports.Change) -> None:
        """Write what a change changes: all else may have moved meanwhile."""
        before, after = change.before, change.after
        changes = {
            each.name: getattr(after, each.name)
            for each in dataclasses.fields(task.Task)
            if getattr(after, each.name) != getattr(before, each.name)
        }
        self._tasks[after.id] = dataclasses.replace(
            self._tasks[after.id], **changes
        )

    def _tell(
        self,
        before: task.State | None,
        work: task.Task,
        conductor_id: str,
        term: int | None,
    ) -> None:
        self._events.append(
            task.Event(
                task_id=work.id,
                at=work.updated_at,
                from_state=before,
                to_state=work.state,
                reason=work.reason,
                conductor_id=conductor_id,
                attempt=work.attempt,
                term=term,
            )
        )

    def _cancel(
        self,
        tasks: Iterable[task.Task],
        reason: str,
        now: datetime.datetime,
        conductor_id: str,
        term: int | None = None,
    ) -> list[task.Task]:
        return self.advance(
            [
                ports.Change(
                    before=work,
                    after=task.advance(
                        work, task.State.CANCELLED, now, reason
                    ),
                )
                for work in tasks
                if work.state is task.State.PLANNED
            ],
            conductor_id,
            term,
        )

    def holders(self) -> set[str]:
        return {
            work.claimed_by
            for work in self.tasks(states=task.HELD)
            if work.claimed_by is not None
        }

    def take_over(
        self,
        tasks: Sequence[task.Task],
        conductor_id: str,
        now: datetime.datetime,
        reason: str,
    ) -> list[task.Task]:
        return self.advance(
            [
                ports.Change(
                    before=work,
                    after=task.hand_over(work, conductor_id, now, reason),
                )
                for work in tasks
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
        with self._lock:
            planned = self.tasks(
                kind=task.Kind.BACKUP,
                states=[task.State.PLANNED],
                project_id=project_id,
            )
            return len(
                self._cancel(
                    [work for work in planned if work.volume_size >= size],
                    reason,
                    now,
                    conductor_id,
                )
            )

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
                if (kind is None or work.kind is kind)
                and (states is None or work.state in states)
                and (claimed_by is None or work.claimed_by in claimed_by)
                and project_id in (None, work.project_id)
                and volume_id in (None, work.volume_id)
            ]
        found.sort(
            key=lambda work: (work.created_at, work.rank, work.id),
            reverse=True,
        )
        return found[:limit]

    def events(self, task_id: str) -> list[task.Event]:
        with self._lock:
            return [each for each in self._events if each.task_id == task_id]

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
                row
                for row in self._backups.values()
                if (ids is None or row.id in ids)
                and (states is None or row.state in states)
                and project_id in (None, row.project_id)
                and volume_id in (None, row.volume_id)
            ]
        found.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        return found[:limit]

    def note_missing(
        self, backup: model.Backup, since: datetime.datetime | None
    ) -> bool:
        with self._lock:
            row = self._backups.get(backup.id)
            if row is None or row.state is not backup.state:
                return False
            self._put(
                dataclasses.replace(row, missing_since=since), self.now()
            )
            return True

    def note_broken(
        self,
        backups: Sequence[model.Backup],
        since: datetime.datetime | None,
    ) -> None:
        with self._lock:
            for backup in backups:
                row = self._backups.get(backup.id)
                if row and row.state is model.BackupState.AVAILABLE:
                    row = dataclasses.replace(row, broken_since=since)
                    self._put(row, self.now())

    def made_since(self, when: datetime.datetime) -> list[datetime.datetime]:
        with self._lock:
            return [
                backup.created_at
                for backup in self._backups.values()
                if backup.created_at >= when
            ]

    def keep_backup(self, backup: model.Backup) -> bool:
        with self._lock:
            if backup.id in self._backups:
                return False
            self._put(backup, self.now())
            return True

    def volume_record(self, volume_id: str) -> model.VolumeRecord | None:
        return self._records.get(volume_id)

    def volume_records(
        self, volume_ids: Collection[str]
    ) -> dict[str, model.VolumeRecord]:
        return {
            each: self._records[each]
            for each in volume_ids
            if each in self._records
        }
