# SPDX-License-Identifier: Apache-2.0
"""How volumes are protected: what each cycle finds, and what reports say.

Whatever would need the whole database is read in pages, so that memory does
not grow with the number of backups.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import (
    demand,
    durations,
    freshness,
    model,
    plan,
    policies,
    protection,
    report,
    schedule,
    task,
)
from staffeln.workflow import planning
from staffeln.workflow.dropping import MOST_NOTICES, MOST_TOLD, Dropping
from staffeln.workflow.harvest import gaps_in_words
from staffeln.workflow.outlook import PAGE
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """What there is to say besides tasks, at one moment."""

    cycle: model.Cycle | None
    """What the last cycle came to; None: there was none in this term."""
    notices: Mapping[str, tuple[report.Notice, ...]]
    """By project id."""
    demands: Mapping[str, demand.Demand]
    """What is to be made until the next cycle, by project id."""
    brakes: tuple[model.Brake, ...]
    hands: tuple[str, ...]
    """What else needs an operator's hands, a line each."""
    silence: str = ""
    """That no cycle has ended for long, in words; then what depends on a
    harvest is left out."""

    @property
    def _silence(self) -> tuple[str, ...]:
        return (self.silence,) if self.silence else ()

    @property
    def for_operators(self) -> tuple[str, ...]:
        """What operators hear about all of it, a line each."""
        return (
            *self._silence,
            *(each.in_words() for each in self.brakes),
            *self.hands,
        )

    @property
    def topics(self) -> Counter[report.Topic]:
        """How many notices there are of each topic, of all projects."""
        return Counter(
            each.topic for notices in self.notices.values() for each in notices
        )

    def of(self, project_id: str) -> tuple[report.Notice, ...]:
        """The notices of one project."""
        return self.notices.get(project_id, ())

    def forecast(
        self, project_id: str, quotas: report.Quotas | None
    ) -> report.Forecast | None:
        """Whether what is to be made fits; None: nothing is."""
        wanted = self.demands.get(project_id)
        if wanted is None:
            return None
        return demand.forecast(wanted, quotas)

    def remarks(self, project_id: str) -> tuple[str, ...]:
        """What a project's members hear about all of it."""
        return (
            *self._silence,
            *(
                brake.in_words()
                for brake in self.brakes
                if brake.project_id in ("", project_id)
            ),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a cycle found."""

    protection: protection.Protection
    cycle: model.Cycle
    hands: tuple[str, ...]


class Protecting:
    """How volumes are protected, as one term's cycles see it."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        writer: Writer,
    ) -> None:
        self._store = store
        self._settings = settings
        self._dropping = Dropping(store, cloud, settings.rule, writer)
        self._found: _Found | None = None
        self._dropped: tuple[int, tuple[report.Notice, ...]] | None = None
        """By the last complete harvest: how many, and the first of them."""

    # -- after each cycle --------------------------------------------------

    def look(self, drawn: planning.Drawn, term: int) -> model.Cycle:
        """Note and tell how a plan's volumes are protected.

        :returns: what the cycle came to, but for how long it took.
        :raises OvertakenError: another scheduler took office.
        """
        found = drawn.protection
        if drawn.inventory.complete:
            self._dropped = self._dropping.note(drawn.inventory, drawn.now)
        if self._dropped is None:
            dropped = self._store.freshness().dropped
        else:
            dropped, _ = self._dropped
        cycle = _cycle(drawn, found, dropped, term)
        self._found = _Found(
            protection=found, cycle=cycle, hands=tuple(_hands(drawn))
        )
        tell(found, dropped, self._settings.protection)
        return cycle

    # -- for each round of reports -----------------------------------------

    def concerns(self) -> Concerns:
        """All that there is to say besides tasks, read now where it can be.

        What depends on a harvest is what the last one showed.
        """
        store = self._store
        silence = self._silence()
        found = None if silence else self._found
        dropped = None if silence else self._dropped
        held = [_held(work) for work in store.refused_deletes(MOST_NOTICES)]
        broken = list(itertools.islice(_broken(store), MOST_NOTICES))
        by_project: defaultdict[str, list[report.Notice]] = defaultdict(list)
        for each in itertools.chain(
            () if found is None else found.protection.notices,
            () if dropped is None else dropped[1],
            itertools.islice(announced(store, store.now()), MOST_NOTICES),
            held,
            broken,
        ):
            by_project[each.project_id].append(each)
        breaker = store.breaker()
        hands = [] if breaker is None else [breaker.in_words()]
        if found is not None:
            hands += found.hands
        hands += [
            f"backups {topic}: {_number(notices)}"
            for topic, notices in (
                (report.Topic.HELD, held),
                (report.Topic.BROKEN, broken),
            )
            if notices
        ]
        return Concerns(
            cycle=None if found is None else found.cycle,
            notices={
                project_id: tuple(notices)
                for project_id, notices in by_project.items()
            },
            demands={} if found is None else found.protection.demands,
            brakes=tuple(store.brakes()),
            hands=tuple(hands),
            silence=silence,
        )

    def _silence(self) -> str:
        """That no cycle has ended for long, in words; empty: one has."""
        fresh = self._store.freshness()
        last, which = fresh.cycle_at, "complete backup cycle"
        if self._found is not None:
            last, which = self._found.cycle.ended_at, "backup cycle"
        if last is None:
            ended = f"no {which} has ended yet"
        elif fresh.now - last > freshness.missed(
            self._settings.backup_service_period
        ):
            ended = f"no {which} has ended since {schedule.words(last)}"
        else:
            return ""
        return f"{ended}: how volumes are protected by now is left out"


# -- what a plan shows -------------------------------------------------------


def _cycle(
    drawn: planning.Drawn,
    found: protection.Protection,
    dropped: int,
    term: int,
) -> model.Cycle:
    return model.Cycle(
        ended_at=drawn.now,
        seconds=0.0,
        term=term,
        complete=drawn.inventory.complete,
        selected=found.selected,
        dropped=dropped,
        never_protected=found.never_protected,
        stale=found.stale,
        oldest_protection_at=found.oldest_protection_at,
        protected_at=found.protected_at,
        planned=len(drawn.plan.of(plan.What.BACK_UP)),
        failed_at_once=len(drawn.plan.of(plan.What.FAIL)),
        postponed=len(drawn.plan.of(plan.What.POSTPONE)),
    )


# -- what the database shows -------------------------------------------------


def announced(
    store: ports.Store, now: datetime.datetime
) -> Iterator[report.Notice]:
    """Backups that will be kept for less long, one notice per volume."""
    after = ("", "")
    looked_at: set[str] = set()
    while page := store.shortened(after, PAGE):
        after = page[-1]
        new = {volume_id for _, volume_id in page} - looked_at
        looked_at |= new
        volumes = store.backups_of_volumes(new)
        for volume_id in sorted(volumes):
            notice = protection.announcement(volumes[volume_id], now)
            if notice is not None:
                yield notice


def _held(work: task.Task) -> report.Notice:
    """A delete that was tried in vain."""
    return report.Notice(
        topic=report.Topic.HELD,
        project_id=work.project_id,
        volume_id=work.volume_id,
        volume_name=work.volume_name,
        server_name=work.server_name,
        since=work.created_at,
        why=f"backup {work.backup_id}: {work.reason}",
    )


def _broken(store: ports.Store) -> Iterator[report.Notice]:
    """Backups that Cinder shows in a status of error."""
    last: model.Backup | None = None
    while page := store.broken(last, PAGE):
        last = page[-1]
        for row in page:
            yield report.Notice(
                topic=report.Topic.BROKEN,
                project_id=row.project_id,
                volume_id=row.volume_id,
                volume_name=row.volume_name,
                server_name=row.server_name,
                since=row.broken_since,
                why=f"backup {row.id} of {schedule.words(row.created_at)}",
            )


# -- in words ----------------------------------------------------------------


def _hands(drawn: planning.Drawn) -> Iterator[str]:
    """What of a cycle needs an operator's hands."""
    if not drawn.service_up:
        yield "no cinder-backup service is up: all backups wait"
    inventory = drawn.inventory
    if not inventory.complete:
        yield (
            "the last harvest was incomplete, so nothing expires: "
            + gaps_in_words(inventory)
        )
    if drawn.overdue:
        yield planning.overdue_in_words(drawn.overdue)


def _number(notices: Sequence[report.Notice]) -> str:
    more = " or more" if len(notices) >= MOST_NOTICES else ""
    return f"{len(notices)}{more}"


def tell(
    found: protection.Protection,
    dropped: int,
    tolerance: policies.ProtectionPolicy,
) -> None:
    """The lines of the log that say how volumes are protected."""
    oldest = found.oldest_protection_at
    LOG.log(
        logging.WARNING
        if found.never_protected or found.stale
        else logging.INFO,
        "%s",
        in_words(found, tolerance)
        + (f", {dropped} with backups selected no longer" if dropped else "")
        + (f"; oldest last backup {schedule.words(oldest)}" if oldest else ""),
    )
    unprotected = found.unprotected
    for each in unprotected[:MOST_TOLD]:
        LOG.info(
            "Volume %s of project %s is %s: %s",
            each.volume_id,
            each.project_id,
            each.topic,
            each.why,
        )
    more = len(unprotected) - MOST_TOLD
    if more > 0:
        LOG.info("%d more volumes like these; reports name them", more)


def in_words(
    found: protection.Protection, tolerance: policies.ProtectionPolicy
) -> str:
    """How many volumes are not protected as they should be."""
    return (
        f"Protection: {found.never_protected} of {found.selected} volumes "
        f"never protected, {found.stale} not protected for more than "
        f"{durations.of(tolerance.stale_after)}"
    )
