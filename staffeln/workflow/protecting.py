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
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import (
    errors,
    model,
    plan,
    protection,
    report,
    schedule,
    selection,
)
from staffeln.workflow import planning
from staffeln.workflow.outlook import PAGE
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

MOST_NOTICES = 10_000
"""Notices of one topic that are kept; the others are counted."""

MOST_ASKED_FOR = 50
"""Volumes that one cycle asks Cinder for, to tell those that are gone."""

MOST_TOLD = 20
"""Lines of a log that one cycle spends on a sort of trouble, at most."""

VOLUME_GONE = "Cinder does not know the volume any more"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """What there is to say besides tasks, at one moment."""

    cycle: model.Cycle | None
    """What the last cycle came to; None: there was none in this term."""
    notices: Mapping[str, tuple[report.Notice, ...]]
    """By project id."""
    demands: Mapping[str, protection.Demand]
    """What is to be made until the next cycle, by project id."""
    brakes: tuple[model.Brake, ...]
    hands: tuple[str, ...]
    """What needs an operator's hands, a line each."""

    def of(self, project_id: str) -> tuple[report.Notice, ...]:
        """The notices of one project."""
        return self.notices.get(project_id, ())

    def forecast(
        self, project_id: str, quotas: report.Quotas | None
    ) -> report.Forecast | None:
        """Whether what is to be made fits; None: nothing is."""
        demand = self.demands.get(project_id)
        if demand is None:
            return None
        return protection.forecast(demand, quotas)

    def remarks(self, project_id: str) -> tuple[str, ...]:
        """What a project's members hear about all of it."""
        return tuple(
            brake.in_words()
            for brake in self.brakes
            if brake.project_id in ("", project_id)
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
        self._cloud = cloud
        self._settings = settings
        self._writer = writer
        self._found: _Found | None = None
        self._dropped: tuple[int, tuple[report.Notice, ...]] | None = None
        """By the last complete harvest: how many, and the first of them."""

    # -- after each cycle --------------------------------------------------

    def look(self, drawn: planning.Drawn, term: int) -> model.Cycle:
        """Note and tell how a plan's volumes are protected.

        :returns: what the cycle came to, but for how long it took.
        :raises OvertakenError: another scheduler took office.
        """
        found = judge(drawn, self._settings)
        if drawn.inventory.complete:
            self._dropped = self._note_dropped(drawn)
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

    def _note_dropped(
        self, drawn: planning.Drawn
    ) -> tuple[int, tuple[report.Notice, ...]]:
        """Remember volumes that were dropped, and say so of new ones."""
        count = new = 0
        notices: list[report.Notice] = []
        asking = _Asking(self._cloud)
        for page in dropped_volumes(
            self._store,
            drawn.inventory,
            self._settings.rule,
            drawn.now,
            self._writer.go_on,
        ):
            known = [each for each in page if not each.is_new]
            news = [asking.explained(each) for each in page if each.is_new]
            if news:
                self._writer.write(
                    ports.PlanRecord(records=[each.record for each in news])
                )
            _tell_dropped(news[: max(0, MOST_TOLD - new)])
            new += len(news)
            count += len(page)
            room = MOST_NOTICES - len(notices)
            notices += [each.notice() for each in [*news, *known][:room]]
        if new > MOST_TOLD:
            LOG.warning(
                "%d more volumes with backups are selected no longer",
                new - MOST_TOLD,
            )
        return count, tuple(notices)

    # -- for each round of reports -----------------------------------------

    def concerns(self) -> Concerns:
        """All that there is to say besides tasks, read now where it can be.

        What depends on a harvest is what the last one showed.
        """
        now = self._store.now()
        found = self._found
        by_project: defaultdict[str, list[report.Notice]] = defaultdict(list)
        hands = [] if found is None else list(found.hands)
        breaker = self._store.breaker()
        if breaker is not None:
            hands.append(breaker.in_words())
        sources: tuple[Iterable[report.Notice], ...] = (
            () if found is None else found.protection.notices,
            () if self._dropped is None else self._dropped[1],
            announced(self._store, now),
            _held(self._store),
            _broken(self._store),
        )
        for notices in sources:
            for each in itertools.islice(notices, MOST_NOTICES):
                by_project[each.project_id].append(each)
        hands += _in_numbers(itertools.chain(*by_project.values()))
        return Concerns(
            cycle=None if found is None else found.cycle,
            notices={
                project_id: tuple(notices)
                for project_id, notices in by_project.items()
            },
            demands={} if found is None else found.protection.demands,
            brakes=tuple(self._store.brakes()),
            hands=tuple(hands),
        )


# -- what a plan shows -------------------------------------------------------


def judge(drawn: planning.Drawn, settings: Settings) -> protection.Protection:
    """How the volumes of a drawn plan are protected.

    :returns: with what is to be made until the cycle after it.
    """
    return protection.judge(
        drawn.plan,
        drawn.inventory,
        drawn.histories,
        settings.policy,
        settings.protection,
        drawn.now,
        until=drawn.now + settings.backup_service_period,
    )


def dropped_volumes(
    store: ports.Store,
    inventory: model.Inventory,
    rule: selection.Rule,
    now: datetime.datetime,
    go_on: Callable[[], None] = lambda: None,
) -> Iterator[list[protection.Dropped]]:
    """Volumes that have backups and are selected no longer, by id.

    :param inventory: of a complete harvest.
    :param go_on: called with each page; what it raises ends it.
    """
    selected = inventory.still_selected.union(
        each.volume.id for each in inventory.candidates
    )
    after = ""
    while page := store.governances(after, PAGE):
        go_on()
        after = page[-1].volume_id
        others = {each.volume_id for each in page} - selected
        if not others:
            continue
        histories = store.histories(others)
        found = [
            protection.dropped(histories[volume_id], inventory, rule, now)
            for volume_id in sorted(histories)
        ]
        if any(found):
            yield [each for each in found if each is not None]


class _Asking:
    """Asks the cloud what became of volumes: of some, and no longer once
    it does not answer.
    """

    def __init__(self, cloud: ports.Cloud) -> None:
        self._cloud = cloud
        self._left = MOST_ASKED_FOR
        self._projects: Mapping[str, bool] | None = None

    def explained(self, found: protection.Dropped) -> protection.Dropped:
        """With what Cinder and Keystone say of a volume."""
        record = found.record
        why = record.dropped_why
        if self._left > 0:
            why = self._why(found.newest) or why
        if (self._projects or {}).get(record.project_id) is False:
            why = f"{why}; its project is disabled"
        return dataclasses.replace(
            found, record=dataclasses.replace(record, dropped_why=why)
        )

    def _why(self, newest: model.Backup) -> str:
        """Why nobody can select it any more; empty: it is still there."""
        self._left -= 1
        try:
            if self._projects is None:
                self._projects = self._cloud.projects()
            self._cloud.volume(newest.volume_id)
        except errors.NotFoundError:
            return VOLUME_GONE
        except errors.CloudError as error:
            self._left = 0
            LOG.warning(
                "Why volumes are selected no longer was not asked any "
                "further: %s",
                error,
            )
        return ""


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
    after = ""
    while page := store.governances(after, PAGE):
        after = page[-1].volume_id
        shortened = {each.volume_id for each in page if each.grace}
        if not shortened:
            continue
        volumes = store.backups_of_volumes(shortened)
        for volume_id in sorted(volumes):
            notice = protection.announcement(volumes[volume_id], now)
            if notice is not None:
                yield notice


def _held(store: ports.Store) -> Iterator[report.Notice]:
    """Deletes that were tried in vain."""
    for work in store.refused_deletes(MOST_NOTICES):
        yield report.Notice(
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
        problems = inventory.problems
        more = len(problems) - MOST_TOLD
        yield (
            "the last harvest was incomplete, so nothing expires: "
            + "; ".join(problems[:MOST_TOLD])
            + (f" and {more} more" if more > 0 else "")
        )
    if drawn.overdue:
        yield planning.overdue_in_words(drawn.overdue)


def _in_numbers(notices: Iterable[report.Notice]) -> list[str]:
    """How many notices of each topic there are, over all projects."""
    counts: defaultdict[report.Topic, int] = defaultdict(int)
    for each in notices:
        counts[each.topic] += 1
    return [
        f"{topic}: {counts[topic]}"
        + (" or more" if counts[topic] >= MOST_NOTICES else "")
        for topic in report.Topic
        if counts[topic]
    ]


def tell(
    found: protection.Protection,
    dropped: int,
    tolerance: model.ProtectionPolicy,
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
    unprotected = [
        each
        for each in found.notices
        if each.topic in (report.Topic.NEVER_PROTECTED, report.Topic.STALE)
    ]
    for each in unprotected[:MOST_TOLD]:
        LOG.info("Volume %s is %s: %s", each.volume_id, each.topic, each.why)
    more = len(unprotected) - MOST_TOLD
    if more > 0:
        LOG.info("%d more volumes like these; reports name them", more)


def in_words(
    found: protection.Protection, tolerance: model.ProtectionPolicy
) -> str:
    """How many volumes are not protected as they should be."""
    return (
        f"Protection: {found.never_protected} of {found.selected} volumes "
        f"never protected, {found.stale} not protected for more than "
        f"{tolerance.stale_after}"
    )


def _tell_dropped(news: Sequence[protection.Dropped]) -> None:
    for each in news:
        LOG.warning(
            "Volume %s of project %s has backups and is selected no longer: "
            "%s",
            each.newest.volume_id,
            each.newest.project_id,
            each.record.dropped_why,
        )
