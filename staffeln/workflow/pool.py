# SPDX-License-Identifier: Apache-2.0
"""Threads for the calls that start or delete something."""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Callable

from staffeln.domain import errors, task
from staffeln.ports import occasion

LOG = logging.getLogger(__name__)


class Pool:
    """A bounded number of threads, and what each task in them is.

    Some more may be claimed than there are threads, so that none of those
    has to wait for the next claim; they stay claimed until a thread takes
    them.
    """

    def __init__(
        self,
        name: str,
        size: int,
        wake: Callable[[], None],
        *,
        ahead: int = 0,
        spare: int = 0,
    ) -> None:
        """:param size: how many tasks are worked on at a time.

        :param ahead: so many more are claimed.
        :param spare: so many threads more, for what goes before a call and
            comes after it.
        """
        self._taken_at_most = size + spare
        self._most = size + ahead
        self._worth_a_claim = max(1, ahead // 2)
        self._wake = wake
        self._under_way: dict[
            str, tuple[task.Task, concurrent.futures.Future[None]]
        ] = {}
        self._threads = concurrent.futures.ThreadPoolExecutor(
            self._taken_at_most, thread_name_prefix=name
        )

    @property
    def wants(self) -> int:
        """How many more tasks are to be claimed; 0 while enough wait."""
        room = self._most - len(self._under_way)
        return room if room >= self._worth_a_claim else 0

    @property
    def under_way(self) -> frozenset[str]:
        """Ids of the tasks whose call is under way here."""
        return frozenset(list(self._under_way))

    def submit(
        self,
        work: task.Task,
        begin: Callable[[task.Task], None],
    ) -> None:
        """Begin a task in a thread; its errors are logged, never lost."""
        future = self._threads.submit(_begin, begin, work)
        self._under_way[work.id] = (work, future)
        future.add_done_callback(lambda done: self._ended(work, done))

    @property
    def anything_waits(self) -> bool:
        """Whether more is claimed than threads can have taken."""
        return len(self._under_way) > self._taken_at_most

    def take_back(self, which: Callable[[task.Task], bool]) -> list[task.Task]:
        """Do not begin these, but for those that a thread has taken.

        :returns: those that will not begin.
        """
        return [
            work
            for work, future in list(self._under_way.values())
            if which(work) and future.cancel()
        ]

    def close(self) -> None:
        """Wait for the calls under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _ended(
        self, work: task.Task, done: concurrent.futures.Future[None]
    ) -> None:
        self._under_way.pop(work.id, None)
        if not done.cancelled() and (error := done.exception()):
            with occasion.about_task(work):
                LOG.error(
                    "Task %s (%s of volume %s) ended with an error: %s",
                    work.id,
                    work.kind,
                    work.volume_id,
                    error,
                    exc_info=None
                    if isinstance(error, errors.StaffelnError)
                    else error,
                )
        if self.wants:
            self._wake()


def _begin(begin: Callable[[task.Task], None], work: task.Task) -> None:
    """In a thread of its own, whose lines of the log are about the task."""
    with occasion.about_task(work):
        begin(work)
