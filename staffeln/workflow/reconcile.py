# SPDX-License-Identifier: Apache-2.0
"""Holding the rows and Cinder's backups against each other, slowly.

A row whose backup no list shows is looked at by its id; only two answers
that Cinder does not know it, far enough apart, prove anything. A backup of
ours that has no row gets one; nothing is deleted by its metadata.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import secrets
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)

from staffeln import ports
from staffeln.domain import durations, errors, model, naming, schedule
from staffeln.workflow import binding, returning
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.orphans import Left, Orphans
from staffeln.workflow.settings import Settings
from staffeln.workflow.writer import Writer

LOG = logging.getLogger(__name__)

MOST_LOOKED_AT = 1000
"""Rows that one reconciliation looks at by their ids, drawn by lot.

So the next one looks at others than those that are there after all.
"""

FIRST_RETRY = datetime.timedelta(minutes=1)
"""After a pass failed; doubled with each failure in a row."""

LAST_RETRY = datetime.timedelta(hours=1)
"""The longest that a pass which keeps failing is put off."""

_PAGE = 1000
"""Rows that are read at a time."""

_MOST_NAMED = 20
"""Ids in one line of the log."""

_FIRST = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, naive
_LAST = datetime.datetime(9999, 1, 1)  # noqa: DTZ001 - UTC, naive


@dataclasses.dataclass(slots=True)
class Outcome:
    """What a reconciliation found."""

    shown: int = 0
    """Backups that Cinder listed."""
    of_others: int = 0
    """Those of other deployments."""
    adopted: int = 0
    returned: int = 0
    """Rows that were vanished, and are available again."""
    young: int = 0
    """Ours without a row that are too young to be adopted."""
    doubtful: list[str] = dataclasses.field(default_factory=list)
    """Ids of backups that say they are ours, and nothing else agrees."""
    broken: list[str] = dataclasses.field(default_factory=list)
    """Ids of available rows whose backup is broken in Cinder."""
    missing: int = 0
    """Rows whose backup Cinder did not know when asked for it."""
    unlisted: int = 0
    """Rows whose backup was in no list."""


class Retries:
    """When a pass that failed is tried again: each reads all of a list."""

    def __init__(self) -> None:
        self._failures = 0
        self._since: datetime.datetime | None = None
        """The first look at the time after the last failure."""

    def is_early(self, now: datetime.datetime) -> bool:
        """Whether the next try has to wait."""
        if self._since is None:
            self._since = now
        if not self._failures:
            return False
        wait = schedule.backoff(self._failures, FIRST_RETRY, LAST_RETRY)
        return self._since <= now < self._since + wait

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Note how a pass ends; a lost office is no failure of it."""
        try:
            yield
        except errors.OvertakenError:
            raise
        except Exception:
            self._failures += 1
            self._since = None
            raise
        self._failures = 0


class Reconciliation:
    """One pass through all of Cinder's backups, newest first, in pages."""

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
        self._writer = writer
        self._clocks = clocks
        self._deployment_uuid = ""
        self._user_id = ""
        self._outcome = Outcome()
        self._suspects: list[model.Backup] = []

    def run(self) -> Outcome | None:
        """Do it; None: the clocks are apart, and nothing was done.

        :raises CloudError: the list could not be read to its end; what was
            adopted until then stays.
        :raises WrongCloudError: the database belongs to another cloud.
        :raises OvertakenError: another scheduler took office.
        """
        deployment, _ = binding.prove(self._cloud, self._store)
        began = self._clocks.agreed("Reconciliation does nothing")
        if began is None:
            return None
        forgotten = self._writer.forget_vanished(
            durations.before(began, self._settings.vanished_period)
        )
        if forgotten:
            LOG.info("Forgot %d backup(s) that vanished long ago", forgotten)
        self._deployment_uuid = deployment.uuid
        if deployment.identity is not None:
            self._user_id = deployment.identity.user_id
        orphans = Orphans(
            self._store, self._cloud, self._settings, deployment, began
        )
        newest = _LAST
        before: set[str] = set()
        for page in self._cloud.backup_pages():
            self._writer.go_on()
            for problem in page.problems:
                LOG.warning("Reconciliation: %s", problem)
            if not page.items:
                continue
            oldest = min(each.created_at for each in page.items)
            ids = {each.id for each in page.items}
            self._suspect(oldest, newest, ids | before)
            self._look_at_listed(orphans, page.items)
            # Those of one moment may lie on several pages.
            before = ids | (before if oldest == newest else set())
            newest = oldest
        self._suspect(_FIRST, newest, before)
        self._look_at_suspects()
        self._tell()
        return self._outcome

    # -- rows without a backup ---------------------------------------------

    def _suspect(
        self,
        oldest: datetime.datetime,
        newest: datetime.datetime,
        listed: set[str],
    ) -> None:
        """Note available rows of a time that Cinder's list leaves out.

        :param oldest: left out: the next page may have more of it.
        """
        last = None
        while page := self._store.made_between(oldest, newest, last, _PAGE):
            self._writer.go_on()
            for row in page:
                if (
                    row.state is model.BackupState.AVAILABLE
                    and row.missing_since is None
                    and row.id not in listed
                ):
                    self._draw(row)
            last = page[-1]

    def _draw(self, row: model.Backup) -> None:
        """Count a suspect; all have the same chance to be looked at."""
        self._outcome.unlisted += 1
        if len(self._suspects) < MOST_LOOKED_AT:
            self._suspects.append(row)
            return
        place = secrets.randbelow(self._outcome.unlisted)
        if place < MOST_LOOKED_AT:
            self._suspects[place] = row

    def _look_at_suspects(self) -> None:
        """Ask for each: the first of two proofs, retention gets the other."""
        unknown = []
        for row in self._suspects:
            self._writer.go_on()
            try:
                self._cloud.backup(row.id)
            except errors.NotFoundError:
                unknown.append(row)
            except errors.CloudError as error:
                LOG.warning("Backup %s was not looked at: %s", row.id, error)
        if not unknown:
            return
        # To others than administrators Cinder answers 404 as well.
        self._cloud.backup_services()
        now = self._clocks.agreed("Reconciliation notes nothing as missing")
        if now is None:
            return
        for row in unknown:
            self._outcome.missing += self._store.note_missing(row, now)

    # -- backups that are listed -------------------------------------------

    def _look_at_listed(
        self, orphans: Orphans, shown: Sequence[model.CloudBackup]
    ) -> None:
        """Find those without a row, and rows that say something else."""
        claimed = {}
        broken = set()
        whole = {}
        for each in shown:
            self._outcome.shown += 1
            whose = naming.deployment_of(each.metadata)
            if whose == self._deployment_uuid:
                claimed[each.id] = each
            elif whose is not None:
                self._outcome.of_others += 1
            if each.status in model.BROKEN:
                broken.add(each.id)
            elif each.status in model.WHOLE:
                whole[each.id] = each
        # Rows of release 2.x are of backups that claim nothing.
        rows = self._store.backups(ids=claimed.keys() | broken | whole.keys())
        self._note_broken(rows, broken)
        self._take_back(rows, whole)
        known = {row.id for row in rows}
        self._adopt(
            orphans,
            [each for each in claimed.values() if each.id not in known],
        )

    def _take_back(
        self,
        rows: Iterable[model.Backup],
        whole: Mapping[str, model.CloudBackup],
    ) -> None:
        """Let what had vanished count again: a list proves what is there.

        Not what never held all data, or what nobody wanted any more.
        """
        returned = []
        for row in rows:
            shown = whole.get(row.id)
            if (
                shown is None
                or row.state is not model.BackupState.VANISHED
                or row.completed_at is None
            ):
                continue
            if self._is_the_same(row, shown):
                returned.append(row)
            else:
                self._outcome.doubtful.append(row.id)
        if not returned:
            return
        self._write(ports.PlanRecord(returned=returned))
        self._outcome.returned += len(returned)
        for row in returned:
            LOG.warning(
                "Backup %s of volume %s had vanished, and Cinder shows it "
                "again: it counts as available",
                row.id,
                row.volume_id,
            )

    def _is_the_same(
        self, row: model.Backup, shown: model.CloudBackup
    ) -> bool:
        return (row.project_id, row.volume_id, self._user_id) == (
            shown.project_id,
            shown.volume_id,
            shown.user_id,
        )

    def _note_broken(
        self, rows: Iterable[model.Backup], broken: Collection[str]
    ) -> None:
        """What is broken counts no more as one of a volume's newest."""
        available = [
            row for row in rows if row.state is model.BackupState.AVAILABLE
        ]
        lost = [row for row in available if row.id in broken]
        self._outcome.broken += [row.id for row in lost]
        new = [row for row in lost if row.broken_since is None]
        whole = [
            row
            for row in available
            if row.id not in broken and row.broken_since is not None
        ]
        if new:
            self._store.note_broken(new, self._store.now())
        if whole:
            self._store.note_broken(whole, None)

    def _adopt(
        self, orphans: Orphans, found: Iterable[model.CloudBackup]
    ) -> None:
        rows = []
        for shown in found:
            row = orphans.row_of(shown)
            if isinstance(row, model.Backup):
                rows.append(row)
            elif row is Left.YOUNG:
                self._outcome.young += 1
            elif row is Left.DOUBTFUL:
                self._outcome.doubtful.append(shown.id)
        if not rows:
            return
        self._write(ports.PlanRecord(adopted=rows))
        self._outcome.adopted += len(rows)
        for row in rows:
            LOG.warning(
                "Backup %s of volume %s is ours and had no row: adopted",
                row.id,
                row.volume_id,
            )

    def _write(self, rows: ports.PlanRecord) -> None:
        returning.write(self._store, self._writer, rows)

    def _tell(self) -> None:
        found = self._outcome
        LOG.info(
            "Reconciliation: %d backup(s) in Cinder, %d of other "
            "deployments, %d adopted, %d back again, %d too young to be "
            "adopted; %d row(s) not listed, %d of those unknown to Cinder",
            found.shown,
            found.of_others,
            found.adopted,
            found.returned,
            found.young,
            found.unlisted,
            found.missing,
        )
        if found.doubtful:
            LOG.warning(
                "Reconciliation: %d backup(s) name this deployment in their "
                "metadata, and their user or project does not agree: %s",
                len(found.doubtful),
                ", ".join(found.doubtful[:_MOST_NAMED]),
            )
        if found.broken:
            LOG.warning(
                "Reconciliation: %d backup(s) count as available and are "
                "broken in Cinder, their data may be lost: %s",
                len(found.broken),
                ", ".join(found.broken[:_MOST_NAMED]),
            )
        if found.unlisted > MOST_LOOKED_AT:
            LOG.error(
                "Reconciliation: %d rows name backups that Cinder does not "
                "list; %d of them were asked for, the next pass asks for "
                "others. Has the database been restored, or does the list "
                "leave backups out?",
                found.unlisted,
                MOST_LOOKED_AT,
            )
