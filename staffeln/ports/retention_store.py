# SPDX-License-Identifier: Apache-2.0
"""The database, as retention and reconciliation need it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from typing import Protocol

from staffeln.domain import model, task


class RetentionStore(Protocol):
    """The part of the store that retention is about."""

    def governances(self, after: str, limit: int) -> list[model.Governance]:
        """What governs the backups of the next volumes, each sort once.

        :param after: the id of the last volume that was read.
        :param limit: of how many volumes; all sorts of each are returned.
        """

    def shortened(
        self, after: tuple[str, str], limit: int
    ) -> list[tuple[str, str]]:
        """Graces, and volumes with a backup that waits for one; in order.

        Each pair comes once.

        :param after: the last pair of the page before; of empty texts: the
            first page.
        """

    def backups_of_volumes(
        self, volume_ids: Collection[str]
    ) -> dict[str, list[model.Backup]]:
        """All rows of these volumes, vanished ones too."""

    def expired_volumes(
        self, now: datetime.datetime, at_once: int
    ) -> Iterator[list[str]]:
        """Ids of the volumes with available backups whose expiry has come.

        Page by page, the longest expired first; in a page each is named
        once, in several pages it may be again.

        :param at_once: how many backups are looked at for a page.
        """

    def count_expired(self, now: datetime.datetime) -> int:
        """How many available backups' expiry has come."""

    def undated(
        self, created_before: datetime.datetime, after: str, limit: int
    ) -> list[model.Backup]:
        """Available backups of servers that were never read, by id.

        :param after: the id of the last one of the page before.
        """

    def missing(self, since_before: datetime.datetime) -> list[model.Backup]:
        """Available rows for which Cinder first answered 404 before that."""

    def broken(
        self, after: model.Backup | None, limit: int
    ) -> list[model.Backup]:
        """Available backups that Cinder shows broken, by since when.

        :param after: the last one of the page before.
        """

    def count_managed(self) -> int:
        """How many managed backups there are, without the vanished."""

    def live_tasks(self, slots: Collection[str]) -> list[task.Task]:
        """The live tasks that hold these slots."""

    def expiring_volumes(self, limit: int | None = None) -> list[str]:
        """Volumes with a planned delete of a backup that expired."""

    def refused_deletes(self, limit: int) -> list[task.Task]:
        """Planned deletes that were tried in vain, by when they began."""

    def release_waiting(self) -> int:
        """Let deletes go on whose dependents are gone; how many.

        What ends a dependent does so in the same transaction; this is for
        those that were planned at that moment.
        """

    def forget_vanished(
        self, term: int, missing_before: datetime.datetime
    ) -> int:
        """Remove rows that are vanished for long; how many.

        :raises OvertakenError: the term is over.
        """

    def breaker(self) -> model.Breaker | None:
        """The round of retention that waits for a yes; None: none does."""

    def trip_breaker(
        self, term: int, would: int, total: int, seen: model.Breaker | None
    ) -> None:
        """Note that a round did nothing; a yes to another size is void.

        :param seen: what waited when the round decided so; a yes that came
            meanwhile stays, for the next round to look at.
        :raises OvertakenError: the term is over.
        """

    def reset_breaker(self, term: int) -> None:
        """Note that no round waits.

        :raises OvertakenError: the term is over.
        """

    def confirm_breaker(self) -> model.Breaker | None:
        """Agree to the round that waits; None: none does."""

    # reconciliation

    def made_between(
        self,
        first: datetime.datetime,
        last: datetime.datetime,
        after: model.Backup | None,
        limit: int,
    ) -> list[model.Backup]:
        """Rows of backups made after ``first`` until ``last``, newest first.

        :param after: the last one of the page before.
        """

    def reconciled_at(self) -> datetime.datetime | None:
        """When rows and Cinder were last held against each other."""

    def note_reconciled(self, term: int, when: datetime.datetime) -> None:
        """Note that they were.

        :raises OvertakenError: the term is over.
        """
