# SPDX-License-Identifier: Apache-2.0
"""A round of following: which of our backups have ended, in few calls.

Three ways lead to an answer: pages of all backups, newest first; the list
of those that are busy; one call for each backup. What is cheapest depends
on how many there are of each, which nobody knows before. With C backups
busy in the cloud, E of ours ended and N backups newer than the oldest of
those, a round is meant to make no more than ``ceil(C/page) + min(E,
ceil(N/page)) + 2`` calls, the proof of administrator rights among them.
No plan keeps that for every cloud; this one exceeds it by one or two calls
only where foreign backups lie between ours. Where next to all of the newest
are ours it takes far fewer: pages show the busy and the ended alike.
"""

from __future__ import annotations

import bisect
import datetime
import logging
import math
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import errors, model

LOG = logging.getLogger(__name__)

CLOCK_SKEW = datetime.timedelta(minutes=10)
"""How far the time in a row may be from Cinder's: until Cinder has shown a
backup, its row holds our own time of the attempt."""

FAILURES_TO_STOP = 3
"""Single reads that fail in a row before the rest waits for next time."""

WORTH_A_QUESTION = 16
"""So many single reads are worth a call that may spare them."""

A_SAMPLE = 100
"""So many rows tell how many of all backups are ours."""

WORTH_A_PAGE = 8
"""So many pages of the busy are worth one more of all backups: that shows
what has ended as well."""

DELETING = "deleting"


class Round:
    """One round over the backups that are followed.

    :param backups: our rows, at least one.
    :param busy_status: Cinder's word for those that go on.
    :param ours: when all our backups were made, from the oldest of these
        on: they are what pages are known to hold.
    """

    def __init__(
        self,
        cloud: ports.Cloud,
        backups: Sequence[model.Backup],
        busy_status: str,
        ours: Sequence[datetime.datetime] = (),
    ) -> None:
        self._cloud = cloud
        self._ours = sorted(ours or [each.created_at for each in backups])
        self._page = cloud.page_size
        self._busy_status = busy_status
        self._unseen = {backup.id: backup for backup in backups}
        self._ended: dict[str, model.CloudBackup | None] = {}
        self._pages = cloud.backup_pages()
        self._pages_read = 0
        self._rows_read = 0
        self._oldest_ended_place = 0
        """How many newer ones the oldest has that was seen to have ended."""
        self._busy_seen = 0
        self._newest: datetime.datetime | None = None
        self._last: datetime.datetime | None = None
        self._total: int | None = None
        self._pages_over = False
        self._reads_all = False
        """Whether pages are read to reach the oldest of ours: what was begun
        is given up only where it would cost far more than was thought."""

    def ended(self) -> dict[str, model.CloudBackup | None]:
        """What has ended, by id; None: Cinder answered 404 for it.

        :raises CloudError: a list could not be read.
        """
        if not self._one_call_each_is_fine():
            # What is deleted shows in no page: each needs its own proof.
            if self._busy_status != DELETING:
                self._read_pages_that_pay()
            if not (self._pages_over or self._one_call_each_is_fine()):
                self._leave_out_busy()
                self._read_pages_that_spare_calls()
        self._read_each()
        return self._ended

    def _one_call_each_is_fine(self) -> bool:
        """Whether one call for each that is left keeps the bound.

        It does when even the kindest split of what is left (so many ended,
        so many busy) allows that many calls.
        """
        left = len(self._unseen)
        return self._pages_read + left <= min(
            self._bound(left_ended, left - left_ended)
            for left_ended in range(left + 1)
        )

    def _bound(self, left_ended: int, left_busy: int) -> int:
        """The least that the bound allows, without the proof of rights."""
        newer = self._oldest_ended_place
        if left_ended:
            newer = max(newer, self._rows_read + left_ended - 1)
        return (
            self._pages_for(self._busy_seen + left_busy)
            + min(len(self._ended) + left_ended, self._pages_for(newer))
            + 1
        )

    def _pages_for(self, rows: int) -> int:
        return -(-rows // self._page)

    # -- pages of all backups, newest first --------------------------------

    def _read_pages_that_pay(self) -> None:
        """Read pages for as long as that keeps the bound in any cloud.

        One page always; another one when each page so far has shown one of
        ours that ended: then it took the place of a call for it; and those
        that reach all of ours for no more than the list of the busy costs.
        """
        while not (self._pages_over or self._one_call_each_is_fine()):
            paid = min(
                len(self._ended), self._pages_for(self._oldest_ended_place)
            )
            if self._pages_read > paid and not self._pages_reach_all():
                return
            self._read_page()

    def _pages_reach_all(self) -> bool:
        """Whether the rest of the pages costs no more than the busy list.

        By what the list's end says, or by where the oldest of ours lies
        when pages go on holding as many of ours as they did so far.
        """
        if self._total is not None and self._pages_read + 1 >= (
            self._pages_for(self._total)
        ):
            return True
        busy = self._pages_for(len(self._unseen))
        if self._rows_read < A_SAMPLE:
            if len(self._ended) <= self._busy_seen:
                return False  # what is left is likely to be busy: list that
            return self._pages_foreseen() <= busy
        # Whatever has ended, pages show it; the list of the busy does not.
        more = busy // 2 if self._reads_all else busy // WORTH_A_PAGE
        self._reads_all = self._pages_foreseen() <= busy + 1 + more
        return self._reads_all

    def _pages_foreseen(self) -> int:
        """How many more pages are likely to reach the oldest of ours."""
        oldest = self._oldest()
        left = len(self._ours) - bisect.bisect_left(self._ours, oldest)
        seen = 0
        if self._last is not None:
            seen = len(self._ours) - bisect.bisect_left(self._ours, self._last)
        share = self._rows_read / seen if seen else 1.0
        if self._rows_read and not seen:
            share = float(self._rows_read + 1)
        rows = self._rows_read + max(left - seen, 1) * share
        return math.ceil(rows / self._page) - self._pages_read

    def _read_page(self) -> None:
        """Read the next page and note what it shows of ours."""
        page = next(self._pages, None)
        if page is None:
            self._pages_over = True
            return
        self._pages_read += 1
        if self._pages_read == 1:
            self._total = page.total
        for problem in page.problems:
            LOG.warning("In the list of backups: %s", problem)
        for place, shown in enumerate(page.items, self._rows_read):
            self._newest = self._newest or shown.created_at
            self._last = shown.created_at
            self._busy_seen += shown.status == self._busy_status
            if self._unseen.pop(shown.id, None) is None:
                continue
            if shown.status != self._busy_status:
                self._ended[shown.id] = shown
                self._oldest_ended_place = place
        self._rows_read += len(page.items) + len(page.problems)
        if self._total is not None and self._rows_read >= self._total:
            self._pages_over = True
        if page.items and self._is_past_ours(page.items[-1]):
            self._pages_over = True

    def _is_past_ours(self, shown: model.CloudBackup) -> bool:
        """Whether a backup is older than all of ours that are left."""
        return (
            not self._unseen or shown.created_at < self._oldest() - CLOCK_SKEW
        )

    def _oldest(self) -> datetime.datetime:
        """When the oldest of ours that is left was made."""
        return min(backup.created_at for backup in self._unseen.values())

    # -- the list of those that are busy -----------------------------------

    def _leave_out_busy(self) -> None:
        """Take those that are busy off what is not known yet."""
        for page in self._cloud.backup_pages(status=self._busy_status):
            for problem in page.problems:
                LOG.warning("In the list of busy backups: %s", problem)
            for shown in page.items:
                self._unseen.pop(shown.id, None)

    def _read_pages_that_spare_calls(self) -> None:
        """Go on with pages while they cost less than one call each."""
        if self._busy_status == DELETING:
            return
        asked = False
        while not self._pages_over and len(self._unseen) > 1:
            left = len(self._unseen)
            place = self._rows_read + left - 1
            if left <= self._pages_for(place + 1) - self._pages_read:
                return
            if not self._all_pages_are_fewer() and not asked:
                # One call tells, where pages have spared one already.
                asked = (
                    len(self._ended) >= self._pages_read
                    and left >= WORTH_A_QUESTION
                )
                if not (self._probe() if asked else self._guess()):
                    return
            self._read_page()

    def _all_pages_are_fewer(self) -> bool:
        """Whether reading to the very end costs less than a call each."""
        return self._total is not None and self._pages_for(
            self._total
        ) - self._pages_read <= len(self._unseen)

    def _probe(self) -> bool:
        """Ask whether so many pages as calls reach the oldest of ours."""
        reach = self._rows_read + len(self._unseen) * self._page
        shown = self._cloud.newest_backup(reach)
        return shown is None or shown.created_at < self._oldest()

    def _guess(self) -> bool:
        """Guess the same from how far back the pages read have led."""
        if self._newest is None or self._last is None:
            return False
        oldest = self._oldest()
        span = (self._newest - self._last).total_seconds()
        away = (self._newest - oldest).total_seconds()
        if span <= 0:
            return away <= 0
        rows = away / span * (self._rows_read - 1)
        pages = rows // self._page + 1 - self._pages_read
        return pages < len(self._unseen)

    # -- one call for each -------------------------------------------------

    def _read_each(self) -> None:
        """Read what is left one by one: only this proves an absence."""
        failures = 0
        for backup_id in list(self._unseen):
            try:
                shown = self._cloud.backup(backup_id)
            except errors.NotFoundError:
                self._ended[backup_id] = None
            except errors.CloudError as error:
                LOG.warning("Backup %s cannot be read: %s", backup_id, error)
                failures += 1
                if failures == FAILURES_TO_STOP:
                    return
                continue
            else:
                if shown.status != self._busy_status:
                    self._ended[backup_id] = shown
            failures = 0
