# SPDX-License-Identifier: Apache-2.0
"""Retention: a round of the scheduler, from what is due to delete tasks.

A round does nothing at all where anything could make it delete too much:
an incomplete harvest, clocks that are apart, a size that nobody agreed to.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import logging
import time
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import (
    breaker,
    deletion,
    durations,
    errors,
    model,
    retention,
    task,
)
from staffeln.workflow import binding, planning
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.harvest import harvest
from staffeln.workflow.outlook import PAGE, Outlook
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

KEPT_AFTER_ALL = "its backup is to be kept after all"

MOST_TOLD = 20
"""Lines of a log that one round spends on a sort of trouble, at most."""


@dataclasses.dataclass(slots=True)
class _Count:
    """What a round comes to."""

    planned: int = 0
    cancelled: int = 0
    governed: int = 0
    shortened: int = 0
    vanished: int = 0


class Retention:
    """Rounds of retention, one after the other.

    The first one looks at everything: an option may have changed since
    another process led.
    """

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        writer: Writer,
        clocks: Clocks,
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._settings = settings
        self._policy = settings.retention
        self._writer = writer
        self._clocks = clocks
        self._began = False
        """Whether there was a round by the options of now."""
        self._read: model.Inventory | None = None
        """The last inventory of a cycle whose values were taken over."""

    def round(self, last: model.Inventory | None) -> int:
        """One round; how many delete tasks were planned.

        :param last: what the last cycle of backups has harvested: enough
            to take values over, but nothing is deleted by it.
        :raises CloudError: the cloud could not be asked at all.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        began = time.monotonic()
        self._store.release_waiting()
        forgotten = self._store.forget_vanished(
            durations.before(self._store.now(), self._settings.vanished_period)
        )
        if forgotten:
            LOG.info("Forgot %d backup(s) that vanished long ago", forgotten)
        is_due = not self._began or self._anything_is_due()
        if not is_due and last is self._read:
            return 0
        deployment, _ = binding.prove(self._cloud, self._store)
        if not self._clocks.agree("Retention does nothing"):
            return 0
        count = _Count()
        if not is_due and last is not None:
            self._take_over(self._outlook(last), count)
            is_due = self._anything_is_due()
        self._read = last
        self._began = True
        if is_due:
            inventory = harvest(
                self._cloud,
                self._settings.rule,
                deployment.selected_volumes,
                self._writer.go_on,
                thorough=True,
            )
            outlook = self._outlook(inventory)
            outlook.ask_for_servers()
            self._take_over(outlook, count)
            self._remove(outlook, inventory, count)
            self._tell_unreadable(inventory)
        _tell(count, time.monotonic() - began)
        self._tell_held()
        return count.planned

    def _outlook(self, inventory: model.Inventory) -> Outlook:
        return Outlook(
            self._store,
            self._cloud,
            self._settings,
            inventory,
            self._store.now(),
        )

    def _anything_is_due(self) -> bool:
        """Whether there is anything to delete, to forget or to cancel."""
        now = self._store.now()
        oldest = durations.before(now, self._policy.retention_time)
        return bool(
            self._store.unwanted_backups()
            or self._store.expired(now, None, 1)
            or self._store.undated(oldest, "", 1)
            or self._store.missing(now - self._settings.absence_settle_time)
            or self._store.expiring_volumes(1)
        )

    def _take_over(self, outlook: Outlook, count: _Count) -> None:
        """Keep what servers and options say now with each backup."""
        volumes = set()
        soonest: datetime.datetime | None = None
        for changed in outlook.unsettled():
            self._writer.go_on()
            self._writer.write(ports.PlanRecord(governed=changed))
            count.governed += len(changed)
            for row in changed:
                if row.grace and row.expires_at:
                    count.shortened += 1
                    volumes.add(row.volume_id)
                    soonest = min(soonest or row.expires_at, row.expires_at)
        if count.shortened:
            LOG.warning(
                "Retention became shorter for %d backup(s) of %d volume(s); "
                "none of them goes before %s (retention_shortening_grace)",
                count.shortened,
                len(volumes),
                soonest,
            )

    # -- removing ----------------------------------------------------------

    def _remove(
        self, outlook: Outlook, inventory: model.Inventory, count: _Count
    ) -> None:
        """Plan all deletes of the round, or none."""
        vanished = self._proved_missing()
        unwanted = self._store.unwanted_backups()
        would = len(vanished) + len(unwanted)
        changing: list[str] = []
        if inventory.complete:
            for judged in itertools.chain.from_iterable(
                map(outlook.judge, outlook.due())
            ):
                would += len(judged.to_delete)
                if judged.to_delete or judged.to_cancel:
                    changing.append(judged.volume_id)
        else:
            LOG.warning(
                "Retention: nothing expires, for the harvest is incomplete: "
                "%s",
                "; ".join(inventory.problems[:MOST_TOLD]),
            )
        if not self._may_remove(would):
            return
        now = self._store.now()
        written = self._writer.write(
            ports.PlanRecord(
                tasks=[planning.unwanted(row, now) for row in unwanted],
                vanished=vanished,
            )
        )
        count.planned += len(written)
        count.vanished += len(vanished)
        self._plan_expired(outlook, changing, now, count)

    def _may_remove(self, would: int) -> bool:
        """Whether the round is small enough, or somebody agreed to it."""
        waiting = self._store.breaker()
        total = self._store.count_managed()
        confirmed = breaker.is_confirmed(waiting, would, self._store.now())
        if breaker.is_too_large(would, total, self._policy):
            if not confirmed:
                self._writer.trip_breaker(would, total)
                LOG.error(
                    "Retention does nothing: %d of %d managed backups would "
                    "be deleted or forgotten in one round; staffeln plan "
                    "shows them, staffeln retention confirm lets it happen",
                    would,
                    total,
                )
                return False
            LOG.warning(
                "Retention: %d of %d managed backups go, as was confirmed",
                would,
                total,
            )
        if waiting is not None:
            self._writer.reset_breaker()
        return True

    def _plan_expired(
        self,
        outlook: Outlook,
        volume_ids: Sequence[str],
        now: datetime.datetime,
        count: _Count,
    ) -> None:
        """Write page by page, each judged anew: counting took its time."""
        for start in range(0, len(volume_ids), PAGE):
            self._writer.go_on()
            judged = outlook.judge(volume_ids[start : start + PAGE])
            rows = ports.PlanRecord(
                tasks=[
                    work
                    for each in judged
                    for work in removals(each.to_delete, now)
                ],
                cancelled=[
                    work.id for each in judged for work in each.to_cancel
                ],
                cancel_reason=KEPT_AFTER_ALL,
            )
            if not rows.tasks and not rows.cancelled:
                continue
            for work in self._writer.write(rows):
                if work.state is task.State.CANCELLED:
                    count.cancelled += 1
                else:
                    count.planned += 1

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

    # -- telling -----------------------------------------------------------

    def _tell_unreadable(self, inventory: model.Inventory) -> None:
        strange = [
            f"{server_id} has {text[:40]!r}"
            for server_id, text in inventory.servers.items()
            if text is not None and not retention.is_readable(text)
        ]
        if strange:
            more = len(strange) - MOST_TOLD
            LOG.warning(
                "%d server(s) have a value of %s that is no duration; the "
                "longer of retention_time and the last one that was readable "
                "counts: %s%s",
                len(strange),
                self._settings.rule.retention_key,
                ", ".join(strange[:MOST_TOLD]),
                f" and {more} more" if more > 0 else "",
            )

    def _tell_held(self) -> None:
        """Name deletes that were refused, and what refuses them."""
        held = self._store.refused_deletes(MOST_TOLD + 1)
        for work in held[:MOST_TOLD]:
            LOG.warning(
                "Backup %s is not gone: %s", work.backup_id, work.reason
            )
        if len(held) > MOST_TOLD:
            LOG.warning("More backups that are to go are not gone")


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


def _tell(count: _Count, seconds: float) -> None:
    if not any(dataclasses.astuple(count)):
        return
    LOG.info(
        "Retention in %.1f s: %d delete(s) planned, %d cancelled, %d "
        "backup(s) governed anew, %d vanished",
        seconds,
        count.planned,
        count.cancelled,
        count.governed,
        count.vanished,
    )
