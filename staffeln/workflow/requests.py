# SPDX-License-Identifier: Apache-2.0
"""What is asked of Staffeln from outside: may this backup be deleted?"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import (
    checking,
    errors,
    guarding,
    recognition,
    seldom,
)

LOG = logging.getLogger(__name__)

QUIET = 60.0
"""Seconds between two lines of the log about the same doubt."""

SECOND_LOOK = 0.1
"""Seconds that a first look may have taken, for a second to be in time."""

NO_BACKUP = "00000000-0000-0000-0000-000000000000"
"""The id that nothing has: for looks at the database itself."""


class DeletionRequests:
    """Answers what Cinder asks before it deletes a backup.

    Used by many threads. Raises nothing: whatever is not certain is no.
    """

    def __init__(
        self,
        lookup: ports.Lookup,
        memory: ports.Seen | None,
        patience: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        :param memory: what was seen of the database before; None: nothing
            is remembered.
        :param patience: seconds after which what the database said is not
            believed any more.
        """
        self._lookup = lookup
        self._memory = memory
        self._patience = patience
        self._clock = clock
        self._doubts = Doubts(clock)

    def may_delete(
        self, asked: checking.DeletionQuestion
    ) -> checking.DeletionAnswer:
        """Whether a backup may be deleted by whoever asked."""
        answer = guarding.contradiction(asked) or self._look(asked)
        if answer.doubt is not None:
            self._doubts.tell(asked, answer, answer.doubt)
        elif LOG.isEnabledFor(logging.DEBUG):
            LOG.debug(
                "Backup %s may%s be deleted: %s [%s]",
                asked.backup_id,
                "" if answer.allowed else " not",
                answer.why,
                asked.request_id,
            )
        return answer

    def _look(
        self, asked: checking.DeletionQuestion
    ) -> checking.DeletionAnswer:
        began = self._clock()
        volume_id = asked.target.volume_id if asked.target else None
        try:
            standing, strange = recognised(
                self._lookup,
                self._memory,
                asked.backup_id,
                volume_id,
                self._clock,
            )
        except errors.StoreError as error:
            return guarding.doubtful(checking.Doubt.NO_ANSWER, str(error))
        except Exception as error:
            # A bug must not become a yes, nor an error of the user's.
            LOG.exception("The check failed [%s]", asked.request_id)
            kind = type(error).__name__
            return guarding.doubtful(checking.Doubt.NO_ANSWER, kind)
        answer = guarding.judge(asked, standing, strange)
        if answer.allowed and self._clock() - began > self._patience:
            return guarding.doubtful(checking.Doubt.LATE)
        return answer


class Doubts:
    """Tells the log of doubts, of each kind one line a minute at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told = seldom.Seldom(QUIET)
        self._untold: dict[checking.Doubt, int] = {}

    def tell(
        self,
        asked: checking.DeletionQuestion,
        answer: checking.DeletionAnswer,
        doubt: checking.Doubt,
    ) -> None:
        """Log an answer, or count it for the next line of its kind."""
        with self._lock:
            if not self._told.is_due(doubt, self._clock()):
                self._untold[doubt] = self._untold.get(doubt, 0) + 1
                return
            untold = self._untold.pop(doubt, 0)
        LOG.warning(
            "Backup %s may not be deleted, for lack of certainty: %s "
            "(%d more since the last such line) [%s]",
            asked.backup_id,
            answer.why,
            untold,
            asked.request_id,
        )


class Readiness:
    """Whether checks can be answered by more than a no."""

    def __init__(
        self, lookup: ports.Lookup, memory: ports.Seen | None
    ) -> None:
        self._lookup = lookup
        self._memory = memory

    def live(self) -> None:
        """Whoever comes here lives."""

    def ready(self) -> list[str]:
        """What is wrong, a line each; empty: all is well."""
        try:
            standing, strange = recognised(
                self._lookup, self._memory, NO_BACKUP, None
            )
        except errors.StoreError:
            # Its text may tell of addresses and users: it is for the log.
            return [str(checking.Doubt.NO_ANSWER)]
        except Exception:
            # To be not ready is an answer; a bug must not keep it back.
            LOG.exception("The look at the database failed")
            return [str(checking.Doubt.NO_ANSWER)]
        answer = guarding.judge(
            checking.DeletionQuestion(backup_id=NO_BACKUP), standing, strange
        )
        return [] if answer.doubt is None else [str(answer.doubt)]


def recognised(
    lookup: ports.Lookup,
    memory: ports.Seen | None,
    backup_id: str,
    volume_id: str | None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[checking.Standing, checking.Strange | None]:
    """Look at the database, and hold it against what was seen of it.

    A second look is taken where what is remembered became known by the
    first one only, as after a start.

    :raises StoreError: the database does not say it.
    """
    began = clock()
    known = memory.term if memory else None
    standing = lookup.look(backup_id, volume_id, known)
    strange = recognise(memory, standing)
    if (
        strange is not recognition.AGAIN
        or memory is None
        or clock() - began > SECOND_LOOK
    ):
        return standing, strange
    standing = lookup.look(backup_id, volume_id, memory.term)
    return standing, recognise(memory, standing)


def recognise(
    memory: ports.Seen | None, standing: checking.Standing
) -> checking.Strange | None:
    """What keeps the database from being believed; None: nothing does.

    A database of another release or of no cloud is not remembered.
    """
    if (
        memory is None
        or not standing.schema_is_current
        or not standing.service_user
    ):
        return None
    return memory.recognise(standing.deployment_uuid, standing.age)
