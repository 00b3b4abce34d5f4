# SPDX-License-Identifier: Apache-2.0
"""Volumes that have backups and are selected no longer: found and noted."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import errors, model, protection, report, selection
from staffeln.workflow.outlook import PAGE
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

MOST_NOTICES = 10_000
"""Notices of one topic that are kept; the others are counted."""

MOST_ASKED_FOR = 50
"""Volumes that one cycle asks Cinder for, to tell those that are gone."""

PAGE_OF_IDS = 5000
"""Volumes with backups of which no more than the id is read at a time."""

MOST_TOLD = 20
"""Lines of a log that one cycle spends on a sort of trouble, at most."""

VOLUME_GONE = "Cinder does not know the volume any more"


class Dropping:
    """Finds dropped volumes page by page, and remembers since when."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        rule: selection.Rule,
        writer: Writer,
    ) -> None:
        self._store = store
        self._cloud = cloud
        self._rule = rule
        self._writer = writer

    def note(
        self, inventory: model.Inventory, now: datetime.datetime
    ) -> tuple[int, tuple[report.Notice, ...]]:
        """Remember volumes that were dropped, and say so of new ones.

        :param inventory: of a complete harvest.
        :returns: how many there are, and notices of some of them.
        :raises OvertakenError: another scheduler took office.
        """
        count = new = 0
        notices: list[report.Notice] = []
        asking = _Asking(self._cloud)
        for page in dropped_volumes(
            self._store,
            inventory,
            self._rule,
            now,
            self._writer.go_on,
        ):
            known = [each for each in page if not each.is_new]
            news = [asking.explained(each) for each in page if each.is_new]
            if news:
                self._writer.write(
                    ports.PlanRecord(records=[each.record for each in news])
                )
            _tell(news[: max(0, MOST_TOLD - new)])
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
    selected = (inventory.still_selected - inventory.resting).union(
        each.volume.id for each in inventory.candidates
    )
    for others in _without(store, selected, go_on):
        histories = store.histories(others)
        found = [
            protection.dropped(
                histories[row.volume_id], row, inventory, rule, now
            )
            for row in _newest(store, histories)
        ]
        if any(found):
            yield [each for each in found if each is not None]


def _without(
    store: ports.Store, selected: frozenset[str], go_on: Callable[[], None]
) -> Iterator[list[str]]:
    """Volumes that have backups and are not selected, some at a time."""
    after = ""
    while page := store.volumes_with_backups(after, PAGE_OF_IDS):
        go_on()
        after = page[-1]
        others = [each for each in page if each not in selected]
        for start in range(0, len(others), PAGE):
            yield others[start : start + PAGE]


def _newest(
    store: ports.Store, histories: Mapping[str, model.History]
) -> list[model.Backup]:
    """The newest backup of each volume's chain, by the volumes' ids."""
    ids = [each.chain[-1].id for each in histories.values() if each.chain]
    return sorted(store.backups(ids=ids), key=lambda row: row.volume_id)


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


def _tell(news: Sequence[protection.Dropped]) -> None:
    for each in news:
        LOG.warning(
            "Volume %s of project %s has backups and is selected no longer: "
            "%s",
            each.newest.volume_id,
            each.newest.project_id,
            each.record.dropped_why,
        )
