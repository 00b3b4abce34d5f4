# SPDX-License-Identifier: Apache-2.0
"""Removing backups from Cinder: delete tasks from plan to proof.

A refused or lost delete is tried again with growing intervals until Cinder
no longer knows the backup. States are never reset and nothing is ever
deleted by force.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import durations, errors, model, schedule, task
from staffeln.workflow import record, watch
from staffeln.workflow.settings import Settings

_DELETING = "deleting"
_TO_GO = frozenset({model.BackupState.UNWANTED, model.BackupState.DELETING})


class Remover:
    """Carries the claimed delete tasks of one conductor out."""

    def __init__(
        self,
        store: ports.Store,
        engine: ports.Engine,
        recorder: record.Recorder,
        settings: Settings,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        """:param clock: seconds, on one that goes on while we stand still.

        :param now: the database's time, which need not be asked for it.
        """
        self._clock = clock
        self._now = now
        self._store = store
        self._engine = engine
        self._recorder = recorder
        self._settings = settings
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether Cinder was at work on a delete of ours a moment ago."""
        return self._busy

    def start(self, claimed: task.Task) -> None:
        """Ask Cinder once to delete the task's backup."""
        # Before the save, which may be what takes long.
        began = self._clock()
        patience = self._settings.heartbeat_timeout.total_seconds()
        now = self._now()
        work = self._recorder.move(
            claimed,
            task.State.STARTING,
            now,
            f"attempt {claimed.attempt + 1}",
            attempt=claimed.attempt + 1,
            attempted_at=now,
        )
        if work is None:
            return

        def in_time() -> bool:
            # What it takes to ask may take long: by then the task may be
            # another's, and the backup wanted again.
            if self._clock() - began >= patience:
                return False
            last = self._store.get_backup(work.backup_id or "")
            return last is not None and not _why_kept(work, last, now)

        row = self._store.get_backup(work.backup_id or "")
        if row is None:
            self._recorder.move(
                work, task.State.SUCCEEDED, now, "its row is gone already"
            )
            return
        kept = _why_kept(work, row, now)
        try:
            if kept:
                self._keep(work, row, kept)
                return
            if row.state is model.BackupState.DELETING and self._is_gone(row):
                self._gone(work, self._now())
                return
            self._engine.delete(row, in_time)
        except errors.NotFoundError:
            self._unknown_to_cinder(work, row, self._now())
        except errors.DependentsError as error:
            self._later(work, str(error), self._now())
        except errors.InvalidRequestError as error:
            self._refused(work, row, str(error))
        except errors.CloudError as error:
            self._later(work, str(error), self._now())
        else:
            self._accepted(work, row, "Cinder accepted the delete")

    def _keep(self, work: task.Task, row: model.Backup, why: str) -> None:
        """Let a backup stay that is to be kept after all.

        Unless the answer to an earlier attempt was lost and Cinder carries
        it out: then what it shows decides.

        :raises CloudError: it could not be looked at.
        """
        if work.attempt > 1:
            shown = self._engine.look(row.id)
            if shown is None:
                self._unknown_to_cinder(work, row, self._now())
                return
            if shown.status == _DELETING:
                self._accepted(work, row, "Cinder is deleting it already")
                return
            if shown.status in model.BROKEN:
                self._failed(work, row, shown.status, self._now())
                return
        self._recorder.move(
            work,
            task.State.SUCCEEDED,
            self._now(),
            f"not deleted: {why}",
        )

    def _accepted(
        self, work: task.Task, row: model.Backup, reason: str
    ) -> None:
        self._busy = True
        self._recorder.move(
            work,
            task.State.RUNNING,
            self._now(),
            reason,
            backup=dataclasses.replace(
                row, state=model.BackupState.DELETING, missing_since=None
            ),
        )

    def _refused(
        self, work: task.Task, row: model.Backup, reason: str
    ) -> None:
        """A status that forbids it: also that of a delete under way.

        Its caller may have died before the answer was recorded.
        """
        try:
            shown = self._engine.look(row.id)
        except errors.CloudError:
            shown = None
        if shown is not None and shown.status == _DELETING:
            self._accepted(work, row, "Cinder is deleting it already")
        elif (
            shown is not None
            and shown.status in model.BROKEN
            and row.state is model.BackupState.AVAILABLE
        ):
            self._failed(work, row, shown.status, self._now())
        else:
            self._later(work, reason, self._now())

    def _is_gone(self, row: model.Backup) -> bool:
        """Whether a delete that Cinder accepted has ended meanwhile."""
        return self._engine.look(row.id) is None

    def settle(self, work: task.Task, now: datetime.datetime) -> None:
        """A delete whose caller died: asking again does no harm.

        At once the first time; what keeps failing so gets its pauses.
        """
        if work.attempt > 1:
            self._later(work, "its caller was gone", now)
            return
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            "its caller was gone",
            not_before=None,
        )

    def poll(self, now: datetime.datetime) -> int:
        """One round over all accepted deletes; how many tasks it moved.

        :raises CloudError: the list of busy backups could not be read.
        """
        watched = watch.running(
            self._store,
            self._engine,
            self._recorder.conductor_id,
            task.Kind.DELETE,
            _DELETING,
        )
        self._busy = bool(watched)
        moved = 0
        for each in watched:
            if not each.ended:
                moved += self._going_on(each.work, now)
                continue
            moved += 1
            if each.shown is None:
                self._gone(each.work, now)
            else:
                self._failed(each.work, each.row, each.shown.status, now)
        return moved

    def _going_on(self, work: task.Task, now: datetime.datetime) -> bool:
        """One that never ends leaves its seat to others, and is told."""
        limit = self._settings.backup_cycle_timeout
        began = work.attempted_at or work.created_at
        if now < durations.after(began, limit):
            return False
        self._later(work, f"still deleting after {limit}", now)
        return True

    def _failed(
        self,
        work: task.Task,
        row: model.Backup,
        status: str,
        now: datetime.datetime,
    ) -> None:
        """A delete that Cinder accepted, and that did not end in one.

        What is whole is as it was before; all else is of no use any more.
        """
        state = model.BackupState.UNWANTED
        if status in model.WHOLE and work.cause is task.Cause.EXPIRED:
            state = model.BackupState.AVAILABLE
        self._later(
            work,
            f"the delete ended in {status} status",
            now,
            row=dataclasses.replace(row, state=state),
        )

    def _gone(self, work: task.Task, now: datetime.datetime) -> None:
        """An accepted delete and one 404: proof; the row goes."""
        self._recorder.move(
            work,
            task.State.SUCCEEDED,
            now,
            "deleted from Cinder",
            forget_backup=work.backup_id,
        )

    def _unknown_to_cinder(
        self, work: task.Task, row: model.Backup, now: datetime.datetime
    ) -> None:
        """A DELETE that answers 404 proves nothing.

        Cinder answers so as well when no backup service is up. Two GETs
        that answer 404, far enough apart, are needed; the row then stays
        as vanished.
        """
        try:
            shown = self._engine.look(row.id)
        except errors.CloudError as error:
            self._later(work, f"Cinder knows no {row.id}: {error}", now)
            return
        if shown is not None:
            self._later(
                work,
                "no backup service takes the delete",
                now,
                row=dataclasses.replace(row, missing_since=None),
            )
            return
        settle = self._settings.absence_settle_time
        since = row.missing_since or now
        if row.missing_since is not None and now - since >= settle:
            reason = "Cinder does not know it any more"
            self._recorder.move(
                work,
                task.State.SUCCEEDED,
                now,
                reason,
                backup=dataclasses.replace(
                    row, state=model.BackupState.VANISHED, reason=reason
                ),
            )
            return
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            "Cinder answers 404; asked again before it is believed",
            backup=dataclasses.replace(row, missing_since=since),
            not_before=since + settle,
        )

    def _later(
        self,
        work: task.Task,
        reason: str,
        now: datetime.datetime,
        *,
        row: model.Backup | None = None,
    ) -> None:
        """Plan the next try, with growing intervals.

        :param row: the backup's row, where something of it has changed.
        """
        policy = self._settings.policy
        again_at = now + schedule.backoff(
            work.attempt, policy.failure_backoff, policy.failure_backoff_max
        )
        self._recorder.move(
            work,
            task.State.PLANNED,
            now,
            f"{reason}; next try at {schedule.words(again_at)}",
            backup=row,
            not_before=again_at,
        )


def _why_kept(
    work: task.Task, row: model.Backup, now: datetime.datetime
) -> str:
    """Why a backup is not deleted after all; empty: it is.

    What a server says may have become longer since its task was planned.
    """
    if row.state in _TO_GO:
        return ""
    if (
        work.cause is not task.Cause.EXPIRED
        or row.state is not model.BackupState.AVAILABLE
    ):
        return f"its backup is {row.state} again"
    if row.expires_at is None or now < row.expires_at:
        return f"it is kept until {row.expires_at or 'its server was read'}"
    return ""
