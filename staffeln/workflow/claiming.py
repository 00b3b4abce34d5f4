# SPDX-License-Identifier: Apache-2.0
"""Claiming: which planned tasks a conductor makes its own, and how many.

As many as it has threads for and the limits of all conductors allow. What
was claimed and did not begin can be given back.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from staffeln import ports
from staffeln.domain import task
from staffeln.workflow import clocks, record
from staffeln.workflow.capacity import Capacity
from staffeln.workflow.pool import Pool
from staffeln.workflow.settings import Settings

Begin = Callable[[task.Task], None]


class Claiming:
    """What one conductor claims, and the threads that carry it out."""

    def __init__(
        self,
        store: ports.Store,
        recorder: record.Recorder,
        settings: Settings,
        capacity: Capacity,
        agreement: clocks.Agreement,
        wake: Callable[[], None],
        *,
        start: Begin,
        delete: Begin,
    ) -> None:
        """:param wake: called when there is room for more tasks.

        :param start: carries out a claimed backup, in a thread.
        :param delete: likewise a claimed delete.
        """
        self._store = store
        self._recorder = recorder
        self._capacity = capacity
        self._agreement = agreement
        self._start = start
        self._delete = delete
        self.starts = Pool(
            "start",
            settings.backup_workers,
            wake,
            ahead=2 * (settings.backup_workers - 1),
            # While one's answer is saved, another one's call is under way.
            spare=settings.backup_workers // 2,
        )
        # None ahead: whoever pauses deletes, or whose clock jumps, is heard
        # before the next begins.
        self.deletes = Pool("delete", settings.rotation_workers, wake)

    @property
    def under_way(self) -> frozenset[str]:
        """Ids of the tasks whose call is under way here."""
        return self.starts.under_way | self.deletes.under_way

    def close(self) -> None:
        """Wait for the calls under way; what did not begin does not."""
        self.starts.close()
        self.deletes.close()

    def give_back_paused(self, now: datetime.datetime) -> int:
        """Whoever pauses backups means those that are claimed ahead too."""
        if not self.starts.anything_waits:
            return 0
        paused = {
            each.project_id
            for each in self._store.brakes()
            if each.kind is task.Kind.BACKUP
        }
        if paused:
            self.give_back(
                self.starts.take_back(
                    lambda work: not paused.isdisjoint(("", work.project_id))
                ),
                now,
                "its backups are paused",
            )
        return 0

    def give_back(
        self, claimed: Sequence[task.Task], now: datetime.datetime, why: str
    ) -> None:
        """Let any conductor claim tasks that this one did not begin."""
        self._recorder.save_all(
            [
                record.change(work, task.State.PLANNED, now, why)
                for work in claimed
            ]
        )

    def claim_backups(self, now: datetime.datetime) -> int:
        """Claim backups as far as threads, and the limits of all, allow."""
        kind = task.Kind.BACKUP
        if not self.starts.wants or not self._store.claimable(kind, now):
            return 0
        throttle = self._capacity.throttle(now)
        if throttle is None:
            return 0
        return self._claim(kind, self.starts, self._start, now, throttle)

    def claim_deletes(self, now: datetime.datetime) -> int:
        """Claim deletes as far as threads, and the limit of all, allow."""
        kind = task.Kind.DELETE
        if not self.deletes.wants or not self._store.claimable(kind, now):
            return 0
        throttle = self._capacity.throttle_deletes(now)
        if throttle is None:
            return 0
        # It was planned while they agreed, and what is deleted is lost.
        if not self._agreement.holds("No delete begins"):
            return 0
        return self._claim(kind, self.deletes, self._delete, now, throttle)

    def _claim(
        self,
        kind: task.Kind,
        pool: Pool,
        begin: Callable[[task.Task], None],
        now: datetime.datetime,
        throttle: ports.Throttle,
    ) -> int:
        """Claim as many tasks as there is room for, and begin them."""
        claimed = self._store.claim(
            self._recorder.conductor_id, kind, pool.wants, now, throttle
        )
        for work in claimed:
            self._recorder.claimed(work)
            pool.submit(work, begin)
        return len(claimed)
