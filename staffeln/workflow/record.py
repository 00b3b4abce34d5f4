# SPDX-License-Identifier: Apache-2.0
"""Every change of a task's state goes through here.

The only caller of :func:`staffeln.domain.task.advance`: a change is saved
by compare and set with its event, then told in one line of the log.
"""

from __future__ import annotations

import datetime
import functools
import logging
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import model, task
from staffeln.ports import occasion
from staffeln.workflow import observing
from staffeln.workflow.together import (
    MOST,
    Together,
    carry_out,
    may_be_written,
)

LOG = logging.getLogger(__name__)

_IN_BETWEEN = frozenset(
    {task.State.CANCELLED, task.State.CLAIMED, task.State.STARTING}
)
"""States whose moves a log tells of at DEBUG alone."""

FAILURES_TO_STOP = 2
"""Batches in a row that the database fails on, after which the rest is left.

What it refuses does not count: it answers, and takes the others.
"""


class Recorder:
    """Saves the moves that one conductor makes."""

    def __init__(
        self,
        store: ports.Store,
        conductor_id: str,
        observer: ports.Observer = observing.NOBODY,
    ) -> None:
        self.conductor_id = conductor_id
        self._save = functools.partial(_advance, store, conductor_id)
        self._together = Together(self._save)
        self._observer = observer

    def move(
        self,
        work: task.Task,
        to_state: task.State,
        now: datetime.datetime,
        reason: str,
        *,
        backup: model.Backup | None = None,
        forget_backup: str | None = None,
        record: model.VolumeRecord | None = None,
        still_busy: bool = False,
        **changes: object,
    ) -> task.Task | None:
        """Move a task and save what belongs to the move.

        :param changes: other fields of the task that change with it.
        :returns: the task as it stands now; None when somebody else moved
            it meanwhile, and nothing was saved.
        """
        return self.save(
            change(
                work,
                to_state,
                now,
                reason,
                backup=backup,
                forget_backup=forget_backup,
                record=record,
                still_busy=still_busy,
                **changes,
            )
        )

    def save(self, wanted: ports.Change) -> task.Task | None:
        """Save one move, together with those of other threads."""
        after = self._together.save(wanted)
        self._told(wanted, after)
        return after

    def save_all(self, wanted: Sequence[ports.Change]) -> int:
        """Save moves, many of them in a transaction; how many were saved.

        One that the database refuses keeps no other from it.

        :raises StoreError: what the first that failed did so with, when all
            were tried, or the database went away.
        """
        saved, failed_in_a_row = 0, 0
        failure: Exception | None = None
        for start in range(0, len(wanted), MOST):
            some = wanted[start : start + MOST]
            away = False
            for each, outcome in zip(
                some, carry_out(self._save, some), strict=True
            ):
                if isinstance(outcome, Exception):
                    failure = failure or outcome
                    away = away or may_be_written(outcome)
                    continue
                self._told(each, outcome)
                saved += outcome is not None
            failed_in_a_row = failed_in_a_row + 1 if away else 0
            if failed_in_a_row == FAILURES_TO_STOP:
                break  # the database is away: the rest would wait for it too
        if failure is not None:
            raise failure
        return saved

    def _told(self, wanted: ports.Change, after: task.Task | None) -> None:
        """Tell what became of a move."""
        before = wanted.before
        if after is None:
            with occasion.about_task(before):
                LOG.info(
                    "Task %s was moved by another conductor: %s -> %s dropped",
                    before.id,
                    before.state,
                    wanted.after.state,
                )
            return
        tell(before.state, after)
        self._observer.moved(before.state, after)

    def claimed(self, work: task.Task) -> None:
        """Tell of a task that was claimed, which the store does itself."""
        self._observer.moved(task.State.PLANNED, work)


def change(
    work: task.Task,
    to_state: task.State,
    now: datetime.datetime,
    reason: str,
    *,
    backup: model.Backup | None = None,
    forget_backup: str | None = None,
    record: model.VolumeRecord | None = None,
    still_busy: bool = False,
    **changes: object,
) -> ports.Change:
    """One move of a task, to be saved with what belongs to it.

    :param changes: other fields of the task that change with it.
    """
    return ports.Change(
        before=work,
        after=task.advance(work, to_state, now, reason, **changes),
        backup=backup,
        forget_backup=forget_backup,
        record=record,
        still_busy=still_busy,
    )


def _advance(
    store: ports.Store, conductor_id: str, changes: Sequence[ports.Change]
) -> list[task.Task]:
    return store.advance(changes, conductor_id)


def tell(from_state: task.State | None, work: task.Task) -> None:
    """One line of the log for a task that moved.

    What is planned or cancelled are many at a time: a summary counts them.
    """
    level = logging.INFO
    if work.state is task.State.FAILED:
        level = logging.WARNING
    elif from_state is None or work.state in _IN_BETWEEN:
        level = logging.DEBUG
    with occasion.about_task(work):
        LOG.log(
            level,
            "Task %s (%s of volume %s): %s -> %s: %s",
            work.id,
            work.kind
            if work.kind is task.Kind.BACKUP
            else f"{work.kind} of backup {work.backup_id}",
            work.volume_id,
            from_state or "new",
            work.state,
            work.reason,
        )
