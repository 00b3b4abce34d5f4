# SPDX-License-Identifier: Apache-2.0
"""Every change of a task's state goes through here.

The only caller of :func:`staffeln.domain.task.advance`: a change is saved
by compare and set with its event, then told in one line of the log.
"""

from __future__ import annotations

import datetime
import logging

from staffeln import ports
from staffeln.domain import model, task
from staffeln.workflow import observing

LOG = logging.getLogger(__name__)


class Recorder:
    """Saves the moves that one conductor makes."""

    def __init__(
        self,
        store: ports.Store,
        conductor_id: str,
        observer: ports.Observer = observing.NOBODY,
    ) -> None:
        self._store = store
        self.conductor_id = conductor_id
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
        after = task.advance(work, to_state, now, reason, **changes)
        done = self._store.advance(
            [
                ports.Change(
                    before=work,
                    after=after,
                    backup=backup,
                    forget_backup=forget_backup,
                    record=record,
                    still_busy=still_busy,
                )
            ],
            self.conductor_id,
        )
        if not done:
            LOG.info(
                "Task %s was moved by another conductor: %s -> %s dropped",
                work.id,
                work.state,
                to_state,
            )
            return None
        tell(work.state, after)
        self._observer.moved(work.state, after)
        return after

    def claimed(self, work: task.Task) -> None:
        """Tell of a task that was claimed, which the store does itself."""
        self._observer.moved(task.State.PLANNED, work)


def tell(from_state: task.State | None, work: task.Task) -> None:
    """One line of the log for a task that moved."""
    level = logging.INFO
    if work.state is task.State.FAILED:
        level = logging.WARNING
    elif work.state in (task.State.CLAIMED, task.State.STARTING):
        level = logging.DEBUG
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
