# SPDX-License-Identifier: Apache-2.0
"""Starting backups: one create call per attempt, exactly once.

The attempt is saved before its call is sent. A clear answer is recorded at
once; an attempt without one is looked up in Cinder until the settle time
has passed, and only then may another call follow.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import threading
from collections.abc import Callable, Iterable

from staffeln import ports
from staffeln.domain import durations, errors, model, plan, retention, task
from staffeln.workflow import record
from staffeln.workflow.outcome import Outcomes
from staffeln.workflow.settings import Settings

LOG = logging.getLogger(__name__)

STRAY = "made for a task that another conductor has"
_BACKING_UP = "backing-up"


@dataclasses.dataclass(frozen=True, slots=True)
class _Unanswered:
    """An attempt that is being looked up."""

    since: datetime.datetime
    words: str
    busy: bool = False
    """The volume was backing up: for this attempt, or for somebody else."""
    doubt: str = ""
    """Why it could not be looked up the last time."""


class Starter:
    """Starts the claimed backup tasks of one conductor."""

    def __init__(
        self,
        store: ports.Store,
        engine: ports.Engine,
        recorder: record.Recorder,
        outcomes: Outcomes,
        settings: Settings,
        deployment_uuid: str,
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
        self._outcomes = outcomes
        self._settings = settings
        self._deployment_uuid = deployment_uuid
        self._calls = threading.BoundedSemaphore(settings.backup_workers)
        """Of the create calls that may be under way: there are more threads
        than these."""
        self._unanswered: dict[tuple[str, int], _Unanswered] = {}
        """By task and attempt: a task may leave us and come back."""

    # -- one attempt -------------------------------------------------------

    def start(self, claimed: task.Task) -> None:
        """Make one attempt of a claimed task and record its answer.

        A conductor that stands still for as long as the others take it for
        dead sends nothing any more when it goes on: they look for what the
        attempt made, and may have made one of their own.
        """
        began = self._clock()
        patience = self._settings.heartbeat_timeout.total_seconds()
        number = claimed.attempt + 1
        now = self._now()
        work = self._recorder.move(
            claimed,
            task.State.STARTING,
            now,
            f"attempt {number}, {claimed.mode}",
            attempt=number,
            attempted_at=now,
            unsettled=True,
        )
        if work is None:
            return
        try:
            with self._calls:
                backup_id = self._engine.start(
                    work,
                    self._deployment_uuid,
                    lambda: self._clock() - began < patience,
                )
        except errors.NoAnswerError as error:
            self._note_unanswered(work, str(error))
        except errors.CloudError as error:
            self._refused(work, error, self._now())
        else:
            self._made(work, backup_id, self._now())

    def _made(
        self, work: task.Task, backup_id: str, now: datetime.datetime
    ) -> None:
        """Record what Cinder accepted, the row in the same transaction.

        Cinder's answer tells no more than the id: its own created_at and
        mode are read when the backup has ended.
        """
        self._run(
            work,
            self._row(work, backup_id, now),
            now,
            f"Cinder makes {_article(work.mode)} backup {backup_id}",
        )

    def _run(
        self,
        work: task.Task,
        row: model.Backup,
        now: datetime.datetime,
        reason: str,
    ) -> None:
        self._unanswered.pop(_attempt(work), None)
        moved = self._recorder.move(
            work,
            task.State.RUNNING,
            now,
            reason,
            backup=row,
            backup_id=row.id,
            unsettled=False,
        )
        if moved is None:
            self._keep_as_unwanted(row)

    def _keep_as_unwanted(self, row: model.Backup) -> None:
        """What was made for a task that another conductor has taken over.

        That conductor adopts it if it looks now; otherwise it makes a
        backup of its own. Nothing made in Cinder is ever without a row.
        """
        unwanted = dataclasses.replace(
            row, state=model.BackupState.UNWANTED, reason=STRAY
        )
        if self._store.keep_backup(unwanted):
            LOG.warning(
                "Backup %s of volume %s was %s: it is removed unless that one "
                "adopts it",
                row.id,
                row.volume_id,
                STRAY,
            )

    # -- clear answers that say no -----------------------------------------

    def _refused(
        self, work: task.Task, error: errors.CloudError, now: datetime.datetime
    ) -> None:
        if isinstance(error, errors.StoppedError):
            self._outcomes.again(
                work, "its conductor stops: nothing was sent", now
            )
        elif isinstance(error, errors.LateError):
            self._outcomes.again(work, str(error), now)
        elif isinstance(error, errors.InvalidRequestError):
            self._refused_for_a_state(work, error, now)
        elif isinstance(error, errors.OverQuotaError):
            self._outcomes.fail(work, f"over quota: {error}", now)
            self._skip_over_quota(work, now)
        elif isinstance(error, errors.NotFoundError):
            self._outcomes.fail(work, _gone(work), now)
        else:
            self._outcomes.fail(work, str(error), now)

    def _refused_for_a_state(
        self, work: task.Task, error: errors.CloudError, now: datetime.datetime
    ) -> None:
        """Find out by the volume's status what a 400 was about.

        Cinder's prose is never matched. A volume that is backing up may be
        doing so for an attempt of ours whose answer was lost.
        """
        try:
            status = self._engine.volume_status(work.volume_id)
            found = None
            if status == _BACKING_UP:
                found = self._find_unrecorded(work)
        except errors.CloudError as doubt:
            self._note_unanswered(work, f"{error}; then: {doubt}")
            return
        if found is not None:
            self._adopt(work, found, now)
        elif status == _BACKING_UP:
            # Cinder sets this status before it writes the backup's row.
            self._note_unanswered(work, str(error), busy=True)
        elif status is None:
            self._outcomes.fail(work, _gone(work), now)
        elif status in plan.PASSING:
            self._outcomes.postpone(work, status, now)
        elif status not in plan.READY:
            self._outcomes.fail(
                work, plan.wrong_status(work.volume_id, status), now
            )
        elif status != work.volume_status:
            self._outcomes.again(
                work, f"the volume is {status} now", now, volume_status=status
            )
        elif work.mode is task.Mode.INCREMENTAL:
            self._outcomes.full_instead(
                work, f"Cinder refused it: {error}", now
            )
        else:
            self._outcomes.fail(work, str(error), now)

    def _skip_over_quota(
        self, work: task.Task, now: datetime.datetime
    ) -> None:
        """Larger or equal volumes of the project need not be tried now."""
        skipped = self._store.cancel_over_quota(
            work.project_id,
            work.volume_size,
            f"skipped for this cycle: project {work.project_id} is over "
            f"quota for volumes of {work.volume_size} GiB",
            now,
            self._recorder.conductor_id,
        )
        if not skipped:
            return  # the failed task says it all
        LOG.warning(
            "Project %s is over quota: skipped %d other planned volume(s) of "
            "%d GiB or more for this cycle",
            work.project_id,
            skipped,
            work.volume_size,
        )

    # -- attempts without a clear answer -----------------------------------

    def settle(self, work: task.Task, now: datetime.datetime) -> None:
        """Look for what an unanswered attempt made.

        Found: adopted. Not found until the settle time has passed since
        the call ended (or since this process first saw a task whose caller
        died): the attempt made nothing.
        """
        waiting = self._unanswered.setdefault(
            _attempt(work), _Unanswered(now, "its caller was gone")
        )
        try:
            found = self._find_unrecorded(work)
        except errors.CloudError as error:
            self._not_looked_up(work, error, now)
            return
        if found is not None:
            self._adopt(work, found, now)
            return
        if now - waiting.since < self._settings.create_settle_time:
            return
        del self._unanswered[_attempt(work)]
        if waiting.busy:
            self._outcomes.postpone(work, _BACKING_UP, now)
        else:
            reason = f"attempt {work.attempt} made nothing: {waiting.words}"
            self._outcomes.again(work, reason, now)

    def forget_all_but(self, held: Iterable[task.Task]) -> None:
        """Of tasks that this conductor has not any more, nothing is known."""
        for key in self._unanswered.keys() - set(map(_attempt, held)):
            self._unanswered.pop(key, None)

    def _find_unrecorded(self, work: task.Task) -> model.CloudBackup | None:
        """What an attempt made that has no row, or one that nobody wanted.

        What has another one, such as the failed incremental of the attempt
        before, is no answer to the question.
        """
        for found in self._engine.find(work, self._deployment_uuid):
            row = self._store.get_backup(found.id)
            if row is None or self._is_stray(row, work):
                return found
        return None

    def _is_stray(self, row: model.Backup, work: task.Task) -> bool:
        """Whether the one before us kept it, after we had taken the task.

        Then it is what the task is to make; unless it is being removed.
        """
        if (row.task_id, row.state, row.reason) != (
            work.id,
            model.BackupState.UNWANTED,
            STRAY,
        ):
            return False
        removals = self._store.tasks(
            kind=task.Kind.DELETE,
            states=task.LIVE,
            volume_id=row.volume_id,
        )
        return all(each.backup_id != row.id for each in removals)

    def _not_looked_up(
        self, work: task.Task, error: errors.CloudError, now: datetime.datetime
    ) -> None:
        """Not for ever: a project that is gone would hold its task.

        Such a task stays unsettled: what it may have made is left to be
        found by its metadata.
        """
        limit = self._settings.backup_cycle_timeout
        began = work.attempted_at or work.created_at
        if now >= durations.after(began, limit):
            del self._unanswered[_attempt(work)]
            self._outcomes.fail(
                work,
                f"attempt {work.attempt} could not be looked up for {limit}: "
                f"{error}",
                now,
                unsettled=True,
            )
            return
        waiting = self._unanswered[_attempt(work)]
        doubt = str(error)
        LOG.log(
            logging.DEBUG if doubt == waiting.doubt else logging.INFO,
            "Task %s: attempt %d cannot be looked up yet: %s",
            work.id,
            work.attempt,
            doubt,
        )
        self._unanswered[_attempt(work)] = dataclasses.replace(
            waiting, doubt=doubt
        )

    def _note_unanswered(
        self, work: task.Task, words: str, *, busy: bool = False
    ) -> None:
        LOG.warning(
            "Task %s (backup of volume %s): attempt %d has no clear answer, "
            "looking for what it made: %s",
            work.id,
            work.volume_id,
            work.attempt,
            words,
        )
        self._unanswered[_attempt(work)] = _Unanswered(
            self._now(), words, busy
        )

    def _adopt(
        self,
        work: task.Task,
        found: model.CloudBackup,
        now: datetime.datetime,
    ) -> None:
        row = dataclasses.replace(
            self._row(work, found.id, now),
            incremental=found.incremental,
            created_at=found.created_at,
            size=found.size,
        )
        self._run(
            work, row, now, f"adopted: an attempt had made backup {found.id}"
        )

    def _row(
        self, work: task.Task, backup_id: str, now: datetime.datetime
    ) -> model.Backup:
        earlier: list[model.Backup] = []
        if work.retention and not retention.is_readable(work.retention):
            earlier = self._store.backups(volume_id=work.volume_id)
        return retention.promise(
            model.Backup(
                id=backup_id,
                project_id=work.project_id,
                volume_id=work.volume_id,
                volume_name=work.volume_name,
                server_id=work.server_id,
                server_name=work.server_name,
                task_id=work.id,
                attempt=work.attempt,
                state=model.BackupState.CREATING,
                incremental=work.mode is task.Mode.INCREMENTAL,
                created_at=work.attempted_at or now,
                size=work.volume_size,
                retention=work.retention,
            ),
            earlier,
            self._settings.retention,
        )


def _attempt(work: task.Task) -> tuple[str, int]:
    return work.id, work.attempt


def _article(mode: task.Mode | None) -> str:
    return "an incremental" if mode is task.Mode.INCREMENTAL else "a full"


def _gone(work: task.Task) -> str:
    return f"volume {work.volume_id} is gone"
