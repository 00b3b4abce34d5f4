# SPDX-License-Identifier: Apache-2.0
"""What a round of retention removes: counted first, then planned, or nothing.

A round that would remove too much waits for somebody's yes.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from staffeln import ports
from staffeln.domain import (
    breaker,
    deletion,
    errors,
    model,
    reasons,
    task,
)
from staffeln.workflow import planning
from staffeln.workflow.harvest import gaps_in_words
from staffeln.workflow.outlook import PAGE, Outlook
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

MOST_TOLD = 20
"""Lines of a log that one round spends on a sort of trouble, at most."""

RECOUNTED = datetime.timedelta(days=1)
"""When a round that waits for a yes is counted anew, whatever happens."""

RECOUNTED_MORE = 0.02
"""Or when so many more backups are to go, or fewer, than were counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Tripped:
    """A round that was too large, and that nobody has agreed to."""

    breaker: model.Breaker
    at: datetime.datetime
    removable: int
    """How many backups had expired, whether they could go or not, or were
    unwanted or missing."""


@dataclasses.dataclass(slots=True)
class Removed:
    """What a round comes to."""

    planned: int = 0
    vanished: int = 0
    complete: bool = True
    """Whether nothing was held back."""
    why: Counter[str] = dataclasses.field(default_factory=Counter)
    """How many deletes are planned for each reason, in general terms."""

    def add(self, written: Sequence[task.Task]) -> None:
        """Count deletes that were planned."""
        self.planned += len(written)
        self.why.update(reasons.alike(work.reason) for work in written)


class Removal:
    """What the rounds of one term of office remove."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        writer: Writer,
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._settings = settings
        self._policy = settings.retention
        self._writer = writer
        self._tripped: _Tripped | None = None

    def round(self, outlook: Outlook) -> Removed:
        """Plan all deletes of a round of retention, or none.

        :raises CloudError: what is missing could not be proved.
        :raises OvertakenError: another scheduler took office.
        """
        removed = Removed()
        vanished = self._proved_missing()
        unwanted = sum(map(len, self._unwanted()))
        would = len(vanished) + unwanted
        waiting = self._store.breaker()
        total = self._store.count_managed()
        expiring: Iterable[list[str]] = ()
        if outlook.inventory.complete:
            expiring, would = self._expiring(outlook, would, total)
        else:
            removed.complete = False
            LOG.warning(
                "Retention: nothing expires, for the harvest is incomplete: "
                "%s",
                gaps_in_words(outlook.inventory),
            )
        if not self._may_remove(would, total, waiting, outlook.now):
            removed.complete = False
            return removed
        if vanished:
            self._writer.write(ports.PlanRecord(vanished=vanished))
            removed.vanished += len(vanished)
        self._plan_unwanted(outlook.now, unwanted, removed)
        self._plan_expired(outlook, expiring, would, removed)
        if outlook.inventory.complete and self._store.breaker() is not None:
            # Not before all is written: a yes is for all of it.
            self._writer.reset_breaker()
        return removed

    def _expiring(
        self, outlook: Outlook, would: int, total: int
    ) -> tuple[Iterable[list[str]], int]:
        """The volumes whose backups go, in pages, and how many go at most.

        Whether each can go is looked at beforehand only where all that has
        expired would be too much for one round.

        :param would: how many go besides.
        """
        at_most = would + self._store.count_expired(outlook.now)
        if not breaker.is_too_large(at_most, total, self._policy):
            return outlook.due(), at_most
        pages = []
        for volume_ids in outlook.due():
            going = [each for each in outlook.judge(volume_ids) if each.goes]
            would += sum(each.goes for each in going)
            pages.append([each.volume_id for each in going])
        return pages, would

    def _unwanted(self) -> Iterator[list[model.Backup]]:
        """What nobody wants and nobody removes yet, in pages."""
        after = ""
        while page := self._store.unwanted_backups(after, PAGE):
            yield page
            after = page[-1].id

    def _plan_unwanted(
        self, now: datetime.datetime, at_most: int, removed: Removed
    ) -> None:
        """Write page by page.

        :param at_most: how many were counted. What nobody wants since then
            is left to the next round, which counts it.
        """
        for page in self._unwanted():
            self._writer.go_on()
            counted = page[:at_most]
            at_most -= len(counted)
            if not counted:
                return
            tasks = [planning.unwanted(row, now) for row in counted]
            written = self._writer.write(ports.PlanRecord(tasks=tasks))
            removed.add(written)

    def _may_remove(
        self,
        would: int,
        total: int,
        waiting: model.Breaker | None,
        now: datetime.datetime,
    ) -> bool:
        """Whether the round is small enough, or somebody agreed to it.

        :param waiting: as it was before all was counted.
        """
        self._tripped = None
        if breaker.is_too_large(would, total, self._policy):
            if not breaker.is_confirmed(waiting, would, now):
                self._writer.trip_breaker(would, total, waiting)
                self._note_tripped(now)
                _tell_too_large(would, total)
                return False
            LOG.warning(
                "Retention: %d of %d managed backups go, as was confirmed",
                would,
                total,
            )
        return True

    def _note_tripped(self, now: datetime.datetime) -> None:
        """So that the next rounds need not count it all again."""
        waiting = self._store.breaker()
        if waiting is not None and waiting.confirmed_at is None:
            self._tripped = _Tripped(waiting, now, self._removable(now))

    def _removable(self, now: datetime.datetime) -> int:
        """How many backups a round would look at, by the database alone."""
        return (
            self._store.count_expired(now)
            + sum(map(len, self._unwanted()))
            + len(
                self._store.missing(now - self._settings.absence_settle_time)
            )
        )

    def still_waits(self, now: datetime.datetime) -> bool:
        """Whether a round would come to what the last one came to.

        It was too large, nobody agreed to it, about as much is to go, and
        no delete is planned that may have to be cancelled.
        """
        before = self._tripped
        if (
            before is None
            or self._store.breaker() != before.breaker
            or not before.at <= now < before.at + RECOUNTED
            or self._store.expiring_volumes(1)
        ):
            return False
        changed = abs(self._removable(now) - before.removable)
        if changed > RECOUNTED_MORE * before.removable:
            return False
        _tell_too_large(before.breaker.would, before.breaker.total)
        return True

    def _plan_expired(
        self,
        outlook: Outlook,
        pages: Iterable[list[str]],
        at_most: int,
        removed: Removed,
    ) -> None:
        """Write page by page, each judged anew: counting took its time.

        :param at_most: how many the round may plan, by what was counted.
        """
        for volume_ids in pages:
            self._writer.go_on()
            with self._writer.deciding:
                tasks = [
                    work
                    for each in outlook.judge(volume_ids)
                    for work in removals(each.to_delete, outlook.now)
                ]
                if removed.planned + len(tasks) > at_most:
                    removed.complete = False
                    LOG.warning(
                        "Retention: more backups expire than the %d that "
                        "were counted; the others wait for the next round",
                        at_most,
                    )
                    return
                if tasks:
                    removed.add(
                        self._writer.write(ports.PlanRecord(tasks=tasks))
                    )

    def _proved_missing(self) -> list[model.Backup]:
        """Rows whose backup Cinder did not know twice, far enough apart."""
        now = self._store.now()
        gone = []
        for row in self._store.missing(
            now - self._settings.absence_settle_time
        ):
            self._writer.go_on()
            try:
                self._cloud.backup(row.id)
            except errors.NotFoundError:
                gone.append(row)
            except errors.CloudError as error:
                LOG.warning("Backup %s was not looked at: %s", row.id, error)
            else:
                self._store.note_missing(row, None)
        if gone:
            # To others than administrators Cinder answers 404 as well.
            self._cloud.backup_services()
        return gone


def _tell_too_large(would: int, total: int) -> None:
    LOG.error(
        "Retention does nothing: %d of %d managed backups would be deleted or "
        "forgotten in one round; staffeln plan shows them, staffeln retention "
        "confirm lets it happen",
        would,
        total,
    )


def removals(
    verdicts: Sequence[deletion.Verdict], now: datetime.datetime
) -> list[task.Task]:
    """The delete tasks of one volume, each after what depends on it."""
    ranks: dict[str | None, int] = {}
    tasks = []
    for each in verdicts:
        rank = ranks.get(each.waits_for, -1) + 1
        ranks[each.backup.id] = rank
        tasks.append(
            planning.removal(
                each.backup,
                now,
                task.Cause.EXPIRED,
                each.why,
                waits_for=each.waits_for,
                rank=rank,
            )
        )
    return tasks
