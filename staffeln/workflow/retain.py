# SPDX-License-Identifier: Apache-2.0
"""Retention: a round of the scheduler, from what is due to delete tasks.

A round does nothing at all where anything could make it delete too much:
an incomplete harvest, clocks that are apart, a size that nobody agreed to.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import math
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import (
    durations,
    errors,
    model,
    reasons,
    retention,
    task,
)
from staffeln.workflow import binding
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.harvest import harvest
from staffeln.workflow.outlook import PAGE, Outlook
from staffeln.workflow.planning import MOST_REASONS
from staffeln.workflow.removal import MOST_TOLD, Removal
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

NOTHING = "Retention does nothing"
KEPT_AFTER_ALL = "its backup is to be kept after all"

POSTPONED = datetime.timedelta(days=1)
"""Until when a delete is not tried again that nobody could look after. The
next round may look again."""

FRESH = 60.0
"""Seconds for which the harvest of a cycle is as good as one of our own: what
somebody has just made longer holds at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Harvested:
    """An inventory, and when it was harvested.

    In seconds on this process's monotonic clock.
    """

    inventory: model.Inventory
    began: float
    ended: float


@dataclasses.dataclass(slots=True)
class _Count:
    """What a round comes to."""

    planned: int = 0
    cancelled: int = 0
    governed: int = 0
    vanished: int = 0


class Retention:
    """Rounds of retention of one term of office, one after the other.

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
        known_gone: set[str],
        clock: Callable[[], float],
    ) -> None:
        """:param known_gone: servers that this process has proved gone.

        :param clock: monotonic, in seconds.
        """
        self._clock = clock
        self._store = store
        self._cloud = cloud
        self._settings = settings
        self._policy = settings.retention
        self._writer = writer
        self._clocks = clocks
        self._known_gone = known_gone
        self._removal = Removal(store, cloud, settings, writer)
        self._is_first = True
        """Whether there was no round by the options of now."""
        self._read_at = -math.inf
        """When the harvest began whose values were taken over last."""
        self.complete = False
        """Whether the last round did all that was due: nothing, such as
        an incomplete harvest, held any of it back."""

    def round(self, last: Harvested | None) -> int:
        """One round; how many delete tasks were planned.

        :param last: what the last cycle of backups has harvested: enough
            to take values over, but nothing is deleted by it.
        :raises CloudError: the cloud could not be asked at all.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        began = self._clock()
        self._store.release_waiting()
        count = _Count()
        self.complete = True
        if self._is_newer(last) or self._anything_is_due():
            self._one_round(last, count)
            _tell(count, self._clock() - began)
        else:
            LOG.info("Retention: nothing is due")
        self._tell_held()
        return count.planned

    def _one_round(self, last: Harvested | None, count: _Count) -> None:
        deployment, _ = binding.prove(self._cloud, self._store)
        now = self._clocks.agreed(NOTHING)
        if now is None:
            self.complete = False
            return
        taken_over: Harvested | None = None
        if last is not None and self._is_newer(last):
            self._take_over(self._outlook(last.inventory, now), count)
            self._read_at = last.began
            taken_over = last
        if not self._anything_is_due():
            return
        if self._removal.still_waits(now):
            self.complete = False
            return
        found = self._harvested(last, deployment.selected_volumes)
        # A harvest takes its time, and one of the clocks may have jumped.
        now = self._clocks.agreed(NOTHING)
        if now is None:
            self.complete = False
            return
        outlook = self._outlook(found.inventory, now)
        if outlook.ask_for_servers() or found is not taken_over:
            self._take_over(outlook, count)
        self._read_at = found.began
        self._is_first = False
        self._cancel(outlook, count)
        removed = self._removal.round(outlook)
        count.planned, count.vanished = removed.planned, removed.vanished
        self.complete = removed.complete
        if removed.why:
            LOG.info(
                "Reasons to delete: %s",
                reasons.counted(removed.why.elements(), MOST_REASONS),
            )
        self._tell_unreadable(found.inventory)

    def _harvested(
        self, last: Harvested | None, last_count: int | None
    ) -> Harvested:
        """A complete harvest of just now, or one that is made for this.

        The last cycle's will do where it has read all attachments, as one
        of our own does: they prove that the list of servers is whole.

        :param last_count: how many volumes the last harvest selected.
        """
        began = self._clock()
        if (
            last is not None
            and last.inventory.complete
            and last.inventory.attachments_read
            and began - last.ended <= FRESH
        ):
            return last
        inventory = harvest(
            self._cloud,
            self._settings.rule,
            last_count,
            self._writer.read_on,
            now=self._store.now(),
            known_gone=self._known_gone,
            thorough=True,
        )
        return Harvested(inventory, began, self._clock())

    def _is_newer(self, last: Harvested | None) -> bool:
        return last is not None and last.began > self._read_at

    def _outlook(
        self, inventory: model.Inventory, now: datetime.datetime
    ) -> Outlook:
        return Outlook(
            self._store,
            self._cloud,
            self._settings,
            inventory,
            now,
            self._known_gone,
        )

    def _anything_is_due(self) -> bool:
        """Whether there is anything to delete, to forget or to cancel.

        Or a round that waits for a yes, and that may be no more.
        """
        now = self._store.now()
        oldest = durations.before(now, self._policy.retention_time)
        return bool(
            (self._is_first and self._store.governances("", 1))
            or self._store.unwanted_backups(limit=1)
            or any(self._store.expired_volumes(now, 1))
            or self._store.undated(oldest, "", 1)
            or self._store.missing(now - self._settings.absence_settle_time)
            or self._store.expiring_volumes(1)
            or self._store.breaker()
        )

    # -- what governs ------------------------------------------------------

    def _take_over(self, outlook: Outlook, count: _Count) -> None:
        """Keep what servers and options say now with each backup."""
        shortened = 0
        volumes = set()
        soonest: datetime.datetime | None = None
        for changed in outlook.unsettled():
            self._writer.go_on()
            self._writer.write(ports.PlanRecord(governed=changed))
            count.governed += len(changed)
            for row in changed:
                if row.grace and row.expires_at:
                    shortened += 1
                    volumes.add(row.volume_id)
                    soonest = min(soonest or row.expires_at, row.expires_at)
        if shortened:
            LOG.warning(
                "Retention became shorter for %d backup(s) of %d volume(s); "
                "none of them goes before %s (retention_shortening_grace)",
                shortened,
                len(volumes),
                soonest,
            )

    # -- what is kept after all --------------------------------------------

    def _cancel(self, outlook: Outlook, count: _Count) -> None:
        """Cancel deletes of what is to be kept after all.

        Keeping is always safe: however large the round is, and however
        little of the cloud could be read.
        """
        volume_ids = self._store.expiring_volumes()
        for start in range(0, len(volume_ids), PAGE):
            self._writer.go_on()
            cancelled, postponed = [], []
            for judged in outlook.judge(volume_ids[start : start + PAGE]):
                for work in judged.to_cancel:
                    is_whole = self._is_whole(work)
                    if is_whole is None:
                        postponed.append(work.id)
                    elif is_whole:
                        cancelled.append(work.id)
            if cancelled or postponed:
                rows = ports.PlanRecord(
                    cancelled=cancelled,
                    cancel_reason=KEPT_AFTER_ALL,
                    postponed=postponed,
                    postponed_until=outlook.now + POSTPONED,
                )
                count.cancelled += len(self._writer.write(rows))

    def _is_whole(self, work: task.Task) -> bool | None:
        """Whether a backup is untouched; None: Cinder does not tell now.

        The answer to an earlier attempt may have been lost, and the delete
        carried out: such a task goes on until Cinder tells what became of
        it.
        """
        if not work.attempt:
            return True
        try:
            shown = self._cloud.backup(work.backup_id or "")
        except errors.NotFoundError:
            return False
        except errors.CloudError as error:
            LOG.warning(
                "Backup %s is to be kept after all; what became of it could "
                "not be read, and it is not asked for: %s",
                work.backup_id,
                error,
            )
            return None
        return shown.status in model.WHOLE

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


def _tell(count: _Count, seconds: float) -> None:
    if not any(dataclasses.astuple(count)):
        LOG.info("Retention in %.1f s: nothing changes", seconds)
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
